"""`python -m tests.reference CASE…`: the Result of each case as JSON; exit 2 and the reason when a case is refused."""

import json
import sys

from contracts.errors import DocumentError
from pipelines.documents import load_case
from tests.reference.result import evaluate


def main() -> int:
    results = []
    for path in sys.argv[1:]:
        try:
            results.append(evaluate(load_case(path)))
        except DocumentError as error:
            print(error, file=sys.stderr)
            return 2
    print(json.dumps(results[0] if len(results) == 1 else results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
