import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Reports usage with Kafka's own client and nothing else.
 *
 * <p>{@code java -cp "jars/*" UsageProducer.java HOST:PORT CUSTOMER COUNT} sends COUNT events; {@code bytes} shows one as it is on the wire.
 */
final class UsageProducer {
    static final String TOPIC = "usage-events";

    /** Avro's single-object encoding: its marker and the fingerprint (CRC-64-AVRO, little endian) of schemas/avro/usage_event.avsc. */
    static final byte[] HEADER = HexFormat.of().parseHex("c301bf42c85f08a41374");

    /** One use of a product; numbers among the properties are decimal text. */
    record Event(String transactionId, String customer, String eventType, long timestampMs, Map<String, String> properties) {}

    /** The record's fields in the order of the schema. */
    static byte[] encode(Event event) {
        var out = new ByteArrayOutputStream();
        out.writeBytes(HEADER);
        text(out, event.transactionId());
        text(out, event.customer());
        text(out, event.eventType());
        number(out, event.timestampMs());
        if (!event.properties().isEmpty()) {
            number(out, event.properties().size());
            new TreeMap<>(event.properties()).forEach((name, value) -> {
                text(out, name);
                text(out, value);
            });
        }
        number(out, 0); // the end of the map
        return out.toByteArray();
    }

    private static void text(ByteArrayOutputStream out, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        number(out, bytes.length);
        out.writeBytes(bytes);
    }

    /** Zigzag, then seven bits a byte, the lowest first. */
    private static void number(ByteArrayOutputStream out, long value) {
        long rest = (value << 1) ^ (value >> 63);
        while ((rest & ~0x7FL) != 0) {
            out.write((int) (rest & 0x7F | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }

    public static void main(String[] arguments) {
        if (arguments[0].equals("bytes")) {
            var event = new Event("t-1", "acme", "api_call", 1_760_097_600_000L, Map.of("calls", "5", "region", "eu"));
            System.out.println(HexFormat.of().formatHex(encode(event)));
            return;
        }
        // Retries without duplicates, and all replicas have an event before it is acknowledged. The partitioner is the default one: murmur2 of the key.
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments[0], "enable.idempotence", true, "acks", "all", "compression.type", "lz4", "linger.ms", 5, "delivery.timeout.ms", 120_000);
        var failure = new AtomicReference<Exception>();
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
            for (int number = 1; number <= Integer.parseInt(arguments[2]); number++) {
                // The id is of what was used, and not of the attempt: whoever is not sure whether an event arrived sends it again.
                var event = new Event("java-" + number, arguments[1], "api_call", System.currentTimeMillis(), Map.of("calls", "5", "region", "eu"));
                producer.send(new ProducerRecord<>(TOPIC, event.transactionId(), encode(event)), (metadata, error) -> failure.compareAndSet(null, error));
            }
        } // closing waits for what is under way
        if (failure.get() != null) {
            throw new IllegalStateException("Some events were not delivered: send them again under the same ids, none will count twice", failure.get());
        }
    }
}
