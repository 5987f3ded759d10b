"""The reference pages of the site, made from the code: commands, settings, topics, warehouse, documents, HTTP API. MkDocs runs this file as a hook.

`pages()` gives their text by path below docs/. None of them is kept but `reference/warehouse.md`, which is read in the repository too:
`python -m tests.site` writes it anew.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # as a hook this file is not run from the root

WAREHOUSE: Final = ROOT / "docs" / "reference" / "warehouse.md"
MADE: Final = "Made from the code; do not edit."


class Column(NamedTuple):
    name: str
    type: str
    about: str


class Relation(NamedTuple):
    """A table or a view of the warehouse."""

    kind: str
    name: str
    about: str
    columns: tuple[Column, ...]
    migration: str


def pages() -> dict[str, str]:
    """Markdown by path."""
    made: Mapping[str, Callable[[], str]] = {
        "reference/commands.md": commands,
        "reference/settings.md": settings,
        "reference/topics.md": topics,
        "reference/warehouse.md": warehouse,
        "reference/documents.md": documents,
        "reference/http-api.md": http_api,
    }
    return {path: make() for path, make in made.items()}


def commands() -> str:
    import click

    from taximeter.cli import COMMANDS, program

    parts = ["# Commands", MADE, "Exit status: 0 done, 1 failed, 2 refused input.", ""]
    context = click.Context(program, info_name="taximeter", max_content_width=110)
    for name in COMMANDS:
        found = program.get_command(context, name)
        if found is None:
            raise LookupError(f"there is no command {name}")
        parts += [f"## taximeter {name}", *_command(found, name, context)]
        if isinstance(found, click.Group):
            for below in found.list_commands(context):
                inner = found.get_command(context, below)
                if inner is not None:
                    parts += [f"### taximeter {name} {below}", *_command(inner, f"{name} {below}", context)]
    return "\n".join(parts) + "\n"


def _command(command: Any, name: str, parent: Any) -> list[str]:
    import click

    context = click.Context(command, info_name=name, parent=parent, max_content_width=110)
    return ["", "```text", command.get_help(context), "```", ""]


def settings() -> str:
    from pipelines.settings import Settings

    about = attribute_docs(Settings)
    rows = [
        "# Settings",
        MADE,
        "",
        "Every setting is an environment variable; a command's option goes before it.",
        "",
        "| variable | default | what |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        default = "a folder of the user" if field.default_factory else "" if field.default in (None, "") else f"`{field.default}`"
        rows.append(f"| `TAXIMETER_{name.upper()}` | {default} | {_cell(about.get(name, ''))} |")
    return "\n".join(rows) + "\n"


def attribute_docs(model: type) -> dict[str, str]:
    """The text under each field of a class."""
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found


def topics() -> str:
    from pipelines.topology import TOPICS
    from schemas.codec import current

    parts = ["# Topics", MADE, "", "| topic | key | cleanup | kept |", "| --- | --- | --- | --- |"]
    for topic in TOPICS:
        kept = "for ever" if topic.retention_ms is None else f"{topic.retention_ms // 3_600_000} hours"
        parts.append(f"| `{topic.name}` | {'customer' if topic.customer_keyed else 'its own'} | {topic.cleanup} | {kept} |")
    for topic in TOPICS:
        if topic.schema is None:
            continue
        schema = json.loads(current(topic.schema).text)
        parts += ["", f"## {topic.name}", "", f"`{topic.schema}`: {schema.get('doc', '')}", "", "| field | type | what |", "| --- | --- | --- |"]
        parts += [f"| `{field['name']}` | {_cell(_avro(field['type']))} | {_cell(field.get('doc', ''))} |" for field in schema["fields"]]
    return "\n".join(parts) + "\n"


def _avro(kind: Any) -> str:
    """A type in words."""
    if isinstance(kind, list):
        return " or ".join(_avro(each) for each in kind)
    if isinstance(kind, str):
        return kind
    if kind["type"] == "array":
        return f"array of {_avro(kind['items'])}"
    if kind["type"] == "map":
        return f"map of {_avro(kind['values'])}"
    return str(kind.get("logicalType") or kind.get("name") or _avro(kind["type"]))


def relations() -> Iterator[Relation]:
    """Tables and views as the migrations make them, in their order; of a view that was made again, the last."""
    from pipelines.warehouse.migrations import migrations

    begin = re.compile(r"CREATE (?:OR REPLACE )?(TABLE|VIEW)(?: IF NOT EXISTS)? (\w+)\s*\(\n(.*?)\n\)(.*)\Z", re.DOTALL)
    same = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) AS (\w+)\nCOMMENT '((?:[^']|'')*)'\Z")
    column = re.compile(r"^    (\w+) (.+?) COMMENT '((?:[^']|'')*)',?$", re.MULTILINE)
    found: dict[str, Relation] = {}
    for migration in migrations():
        for statement in migration.statements:
            text = re.sub(r"^--.*\n", "", statement, flags=re.MULTILINE).strip()
            if copied := same.match(text):
                name, of, about_it = copied.groups()
                found[name] = Relation("table", name, about_it.replace("''", "'"), found[of].columns, migration.name)
            made = begin.search(text)
            if made is None:
                continue
            kind, name, columns, rest = made.groups()
            about = re.findall(r"COMMENT '((?:[^']|'')*)'\s*\Z", rest)
            told = tuple(Column(each[0], re.sub(r" DEFAULT .*", "", each[1]), each[2].replace("''", "'")) for each in column.findall(columns))
            found[name] = Relation(kind.lower(), name, about[0].replace("''", "'") if about else "", told, migration.name)
    return iter(found.values())


def warehouse() -> str:
    parts = [
        "# Tables and views",
        f"<!-- {MADE} `python -m tests.site` -->",
        "",
        "Read the views: each shows the rows that hold, one for each identity. The tables behind them keep every revision.",
        "Amounts are decimals in the currency; times are UTC; intervals include their start and not their end.",
    ]
    for kind in ("view", "table"):
        parts += ["", f"## {kind.title()}s"]
        for each in relations():
            if each.kind == kind:
                parts += [
                    "",
                    f"### {each.name}",
                    "",
                    f"{each.about}. (`schemas/clickhouse/{each.migration}`)",
                    "",
                    "| column | type | what |",
                    "| --- | --- | --- |",
                ]
                parts += [f"| `{column.name}` | `{column.type}` | {_cell(column.about)} |" for column in each.columns]
    return "\n".join(parts) + "\n"


def documents() -> str:
    parts = ["# Documents", MADE, "", "The shapes of what users write. The concept pages say what they mean; the JSON Schemas are in `schemas/documents`.", ""]
    shown: set[str] = set()
    for name in ("catalogue", "contract", "case"):
        schema = json.loads((ROOT / "schemas" / "documents" / f"{name}.json").read_text(encoding="utf-8"))
        for title, shape in sorted(schema.get("$defs", {}).items()):
            if title in shown or "properties" not in shape:
                continue
            shown.add(title)
            required = set(shape.get("required", ()))
            parts += [f"## {title}", "", shape.get("description", ""), "", "| key | value | |", "| --- | --- | --- |"]
            parts += [
                f"| `{key}` | {_cell(_json(value))} | {'required' if key in required else _default(value)} |" for key, value in shape["properties"].items()
            ]
            parts.append("")
    return "\n".join(parts)


def _json(shape: Mapping[str, Any]) -> str:
    if "$ref" in shape:
        return str(shape["$ref"]).rpartition("/")[2]
    if "enum" in shape:
        return ", ".join(f"`{each}`" for each in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    if "anyOf" in shape or "oneOf" in shape:
        return " or ".join(dict.fromkeys(_json(each) for each in shape.get("anyOf", shape.get("oneOf", ()))))
    if shape.get("type") == "array":
        return f"list of {_json(shape.get('items', {}))}"
    if shape.get("type") == "object" and isinstance(shape.get("additionalProperties"), Mapping):
        return f"map of {_json(shape['additionalProperties'])}"
    return str(shape.get("type", "anything"))


def _default(shape: Mapping[str, Any]) -> str:
    default = shape.get("default")
    return "" if default in (None, [], {}, "") else f"`{default}` when left out"


def http_api() -> str:
    from fastapi import FastAPI

    from console import api, metronome
    from console.access import login
    from console.app import ABOUT

    app = FastAPI(title="Taximeter")
    for router in (login.router, *api.routers(), *metronome.routers()):
        app.include_router(router)
    parts = ["# HTTP API", MADE, "", ABOUT, "The running console describes itself under `/api/docs` and `/api/openapi.json`.", ""]
    groups: dict[str, list[str]] = {}
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            group = (told.get("tags") or ["other"])[0]
            about = _cell(told.get("description") or told.get("summary") or "")
            groups.setdefault(group, []).append(f"| `{method.upper()} {path}` | {about} |")
    for group, rows in groups.items():
        parts += [f"## {group}", "", "| request | does |", "| --- | --- |", *rows, ""]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("{", "&#123;").strip()


FOLDERS: Final = {"The pricing language": "concepts", "How to": "how-to", "Operations": "operations", "Reference": "reference"}
"""Sections of the navigation that hold every page of a folder: those that mkdocs.yml lists, and behind them what is new."""


def on_config(config: Any) -> Any:
    """MkDocs' hook: no page is forgotten in the navigation."""
    for section in config["nav"]:
        for title, entries in section.items():
            if title in FOLDERS:
                listed = {entry if isinstance(entry, str) else next(iter(entry.values())) for entry in entries}
                found = [f"{FOLDERS[title]}/{path.name}" for path in sorted((ROOT / "docs" / FOLDERS[title]).glob("*.md"))]
                entries += [path for path in found if path not in listed]
    return config


def on_files(files: Any, config: Any) -> Any:
    """MkDocs' hook: the made pages beside the written ones."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        known = files.get_file_from_path(path)
        if known is not None:
            files.remove(known)
        files.append(File.generated(config, path, content=text))
    return files


def main() -> None:
    WAREHOUSE.write_text(warehouse(), encoding="utf-8")


if __name__ == "__main__":
    main()
