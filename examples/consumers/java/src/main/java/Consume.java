import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints each event of workspace.changes once, as JSON. Arguments: brokers, topic, folder with v1.avsc, v2.avsc, …,
 * and optionally after how many events to end.
 */
public class Consume {
    private static final int KNOWN_IDS = 100_000;

    public static void main(String[] args) throws Exception {
        BinaryMessageDecoder<GenericRecord> decoder = decoder(Path.of(args[2]));
        int most = args.length > 3 ? Integer.parseInt(args[3]) : Integer.MAX_VALUE;
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("group.id", "example-java");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        Map<String, Boolean> known = new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
                return size() > KNOWN_IDS;
            }
        };
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(args[1]));
            int printed = 0;
            while (printed < most) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (record.value() == null || printed == most) {
                        continue;
                    }
                    GenericRecord event = decoder.decode(ByteBuffer.wrap(record.value()));
                    // Delivery is at least once; an event that comes again has the same id.
                    if (known.put(event.get("id").toString(), true) == null) {
                        System.out.println(event);
                        printed++;
                    }
                }
                consumer.commitSync();
            }
        }
    }

    /** Single-object encoding: the decoder finds the writer's schema by the fingerprint each record begins with. */
    private static BinaryMessageDecoder<GenericRecord> decoder(Path folder) throws Exception {
        List<Schema> versions = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "v*.avsc")) {
            for (Path file : files) {
                versions.add(new Schema.Parser().parse(Files.readString(file)));
            }
        }
        var decoder = new BinaryMessageDecoder<GenericRecord>(GenericData.get(), versions.get(0));
        versions.forEach(decoder::addSchema);
        return decoder;
    }
}
