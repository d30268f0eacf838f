package tidegate;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.KafkaTemplate;

/** A topic made by a bean, a template that sends to it and a listener that prints; ends with `ok`. */
@SpringBootApplication
public class Application {
    private static final int COUNT = 50;
    private static final int PARTITIONS = 10;
    private static final String TOPIC = System.getenv("TOPIC");

    private final Set<String> seen = ConcurrentHashMap.newKeySet();
    private final CountDownLatch all = new CountDownLatch(COUNT);

    public static void main(String[] arguments) {
        ConfigurableApplicationContext context = SpringApplication.run(Application.class, arguments);
        int code = SpringApplication.exit(context);
        System.out.println(code == 0 ? "ok" : "failed");
        System.exit(code);
    }

    @Bean
    NewTopic topic() {
        return TopicBuilder.name(TOPIC).partitions(PARTITIONS).replicas(1).build();
    }

    @KafkaListener(id = "${GROUP}", topics = "${TOPIC}")
    void listen(ConsumerRecord<String, String> event) {
        System.out.println("received " + event.value() + " from " + event.partition());
        if (seen.add(event.value())) {
            all.countDown();
        }
    }

    @Bean
    CommandLineRunner send(KafkaTemplate<String, String> template) {
        return arguments -> {
            for (int number = 0; number < COUNT; number++) {
                template.send(TOPIC, "key-" + number, "event-" + number);
            }
            template.flush();
            if (!all.await(60, TimeUnit.SECONDS)) {
                throw new IllegalStateException("only " + seen.size() + " of " + COUNT + " events came back");
            }
            int partitions = template.partitionsFor(TOPIC).size();
            if (partitions != PARTITIONS) {
                throw new IllegalStateException("the topic has " + partitions + " partitions");
            }
        };
    }
}
