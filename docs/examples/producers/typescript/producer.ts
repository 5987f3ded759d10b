// Reports usage with a Kafka client for Node and nothing else: `npx tsc && node producer.js HOST:PORT CUSTOMER COUNT` sends COUNT events,
// `node producer.js bytes` shows one as it is on the wire.
import { compatibilityPartitioner, ProduceAcks, Producer, stringSerializer } from '@platformatic/kafka'

const TOPIC = 'usage-events'

/** Avro's single-object encoding: its marker and the fingerprint (CRC-64-AVRO, little endian) of schemas/avro/usage_event.avsc. */
const HEADER = Buffer.from('c301bf42c85f08a41374', 'hex')

/** One use of a product; numbers among the properties are decimal text. */
interface Event {
  transactionId: string
  customer: string
  eventType: string
  timestampMs: number
  properties: Record<string, string>
}

/** The record's fields in the order of the schema. */
function encode(event: Event): Buffer {
  return Buffer.concat([
    HEADER,
    text(event.transactionId),
    text(event.customer),
    text(event.eventType),
    number(event.timestampMs),
    map(event.properties)
  ])
}

function map(values: Record<string, string>): Buffer {
  const entries = Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1))
  const block = entries.length ? [number(entries.length), ...entries.flatMap(([name, value]) => [text(name), text(value)])] : []
  return Buffer.concat([...block, number(0)]) // a block of no entries ends the map
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([number(bytes.length), bytes])
}

/** Zigzag, then seven bits a byte, the lowest first. */
function number(value: number): Buffer {
  const wide = BigInt(value)
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
  const bytes: number[] = []
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return Buffer.from([...bytes, Number(rest)])
}

async function main([where, customer, count]: string[]): Promise<void> {
  const properties = { calls: '5', region: 'eu' }
  if (where === 'bytes') {
    const event = { transactionId: 't-1', customer: 'acme', eventType: 'api_call', timestampMs: 1_760_097_600_000, properties }
    console.log(encode(event).toString('hex'))
    return
  }
  // Retries without duplicates, and all replicas have an event before it is acknowledged. The partitioner is Kafka's own, which is not this client's default.
  const producer = new Producer<string, Buffer, Buffer, Buffer>({
    clientId: 'usage',
    bootstrapBrokers: where.split(','),
    idempotent: true,
    acks: ProduceAcks.ALL,
    partitioner: compatibilityPartitioner,
    serializers: { key: stringSerializer }
  })
  try {
    const messages = Array.from({ length: Number(count) }, (_, at) => {
      // The id is of what was used, and not of the attempt: whoever is not sure whether an event arrived sends it again.
      const event = { transactionId: `node-${at + 1}`, customer, eventType: 'api_call', timestampMs: Date.now(), properties }
      return { topic: TOPIC, key: event.transactionId, value: encode(event) }
    })
    await producer.send({ messages }) // rejected: send them again under the same ids, none will count twice
  } finally {
    await producer.close()
  }
}

await main(process.argv.slice(2))
