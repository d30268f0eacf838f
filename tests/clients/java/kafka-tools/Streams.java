import java.io.FileInputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers;

/**
 * A Kafka Streams application: a map without state from one topic to another, and a count by a new
 * key, which goes through a repartition topic and keeps its state in a changelog. A second instance
 * finds the counts of the first one there.
 */
public class Streams {
    private static final String TOPIC = System.getenv("TOPIC");
    private static final String[] WORDS = {"tide", "gate", "hub"};
    private static final int COUNT = 300;
    private static final AtomicReference<Throwable> FAILURE = new AtomicReference<>();

    public static void main(String[] arguments) throws Exception {
        Properties common = new Properties();
        try (FileInputStream file = new FileInputStream(arguments[0])) {
            common.load(file);
        }
        common.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
        try (Admin admin = Admin.create(common)) {
            admin.createTopics(List.of(
                    new NewTopic(TOPIC, 4, (short) 1),
                    new NewTopic(TOPIC + "-upper", 4, (short) 1),
                    new NewTopic(TOPIC + "-counts", 2, (short) 1)))
                .all().get();
        }
        for (int round = 1; round <= 2; round++) {
            KafkaStreams streams = new KafkaStreams(topology().build(), settings(common, arguments[1] + round));
            streams.setUncaughtExceptionHandler(error -> {
                FAILURE.set(error);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            produce(common, round);
            awaitMapped(common, round);
            awaitCounts(common, round);
            // Without leaving, the next instance would wait for the session of this one to end.
            streams.close(CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
        }
        System.out.println("ok");
    }

    private static StreamsBuilder topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> lines = builder.stream(TOPIC);
        lines.mapValues(line -> line.toUpperCase()).to(TOPIC + "-upper");
        lines.selectKey((key, line) -> line.split(" ")[0])
            .groupByKey()
            .count(Materialized.as("words"))
            .toStream()
            .to(TOPIC + "-counts", Produced.with(Serdes.String(), Serdes.Long()));
        return builder;
    }

    private static Properties settings(Properties common, String stateFolder) {
        Properties settings = new Properties();
        settings.putAll(common);
        settings.put("application.id", System.getenv("GROUP"));
        settings.put("processing.guarantee", "at_least_once");
        settings.put("state.dir", stateFolder);
        settings.put("num.stream.threads", 2);
        settings.put("commit.interval.ms", 200);
        settings.put("auto.offset.reset", "earliest");
        settings.put("default.key.serde", Serdes.StringSerde.class);
        settings.put("default.value.serde", Serdes.StringSerde.class);
        settings.put("dsl.store.suppliers.class", InMemoryDslStoreSuppliers.class);
        return settings;
    }

    private static void produce(Properties common, int round) throws Exception {
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(common, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < COUNT; number++) {
                String line = WORDS[number % WORDS.length] + " " + round + "-" + number;
                producer.send(new ProducerRecord<>(TOPIC, "" + number, line));
            }
        }
    }

    /** Every line arrives in capitals. */
    private static void awaitMapped(Properties common, int round) {
        Set<String> lines = new HashSet<>();
        read(common, "-upper", new StringDeserializer(), (key, line) -> {
            lines.add(line);
            return lines.size() == COUNT * round;
        });
        expect(lines.contains("TIDE " + round + "-0"), "not in capitals: " + lines);
    }

    /** The counts end where they must, and never fall back. */
    private static void awaitCounts(Properties common, int round) {
        Map<String, Long> counts = new HashMap<>();
        long expected = (long) COUNT / WORDS.length * round;
        read(common, "-counts", new LongDeserializer(), (word, count) -> {
            counts.put(word, count);
            return List.of(WORDS).stream().allMatch(each -> counts.getOrDefault(each, 0L) >= expected);
        });
        expect(counts.values().stream().allMatch(count -> count == expected), "counted " + counts);
    }

    private interface Reader<V> {
        boolean isDone(String key, V value);
    }

    /** Reads a topic from its beginning until the reader has seen what it waits for. */
    private static <V> void read(Properties common, String topic, Deserializer<V> values, Reader<V> reader) {
        Properties settings = new Properties();
        settings.putAll(common);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        settings.put("group.id", System.getenv("GROUP") + topic);
        try (KafkaConsumer<String, V> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), values)) {
            consumer.subscribe(List.of(TOPIC + topic));
            List<Boolean> done = new ArrayList<>();
            while (!done.contains(true)) {
                expect(FAILURE.get() == null, "the application failed: " + FAILURE.get());
                consumer.poll(Duration.ofMillis(200))
                    .forEach(record -> done.add(reader.isDone(record.key(), record.value())));
            }
        }
    }

    private static void expect(boolean condition, String message) {
        if (!condition) {
            System.err.println("expectation failed: " + message);
            System.exit(1);
        }
    }
}
