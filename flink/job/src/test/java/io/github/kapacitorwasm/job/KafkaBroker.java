package io.github.kapacitorwasm.job;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A real broker of Kafka in a process of its own, since its libraries are of another version than
 * those of Flink's connector. All tests share it, and it ends with them. Tests are skipped where
 * Maven can't get its parts.
 */
final class KafkaBroker {

  /** Maximum time for a download of 55 MB, the first time. */
  private static final long RESOLVE_SECONDS = 300;

  private static final int START_SECONDS = 240;

  private static KafkaBroker shared;
  private static String whyNone;

  private final String servers;

  private KafkaBroker(String servers) {
    this.servers = servers;
  }

  /** The broker, which is started at the first call; skips the test if there can be none. */
  static synchronized KafkaBroker get() throws Exception {
    if (shared == null && whyNone == null) {
      Path folder = Files.createTempDirectory("kw-kafka-");
      Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder.toFile())));
      if (resolve(folder)) {
        shared = start(folder);
      } else {
        whyNone = "skipped: Maven can't get Kafka's broker: " + reason(folder.resolve("mvn.log"));
      }
    }
    if (whyNone != null) {
      System.out.println(whyNone);
      abort(whyNone);
    }
    return shared;
  }

  /** Writes the class path of the broker into a file. */
  private static boolean resolve(Path folder) throws Exception {
    String home = System.getProperty("maven.home");
    Path repository = Path.of(System.getProperty("kapacitor-wasm.repository", "../.."));
    Process maven;
    try {
      maven =
          new ProcessBuilder(
                  home == null ? "mvn" : Path.of(home, "bin", "mvn").toString(),
                  "--batch-mode",
                  "--quiet",
                  "--file",
                  repository.resolve("flink/kafka/pom.xml").toString(),
                  "dependency:build-classpath",
                  "-Dmdep.outputFile=" + folder.resolve("classpath"))
              .redirectErrorStream(true)
              .redirectOutput(folder.resolve("mvn.log").toFile())
              .start();
    } catch (IOException e) {
      Files.writeString(folder.resolve("mvn.log"), String.valueOf(e.getMessage()));
      return false;
    }
    if (!maven.waitFor(RESOLVE_SECONDS, TimeUnit.SECONDS)) {
      maven.destroyForcibly();
      Files.writeString(folder.resolve("mvn.log"), "no answer in " + RESOLVE_SECONDS + " s");
      return false;
    }
    return maven.exitValue() == 0;
  }

  private static KafkaBroker start(Path folder) throws Exception {
    List<Integer> ports = freePorts(2);
    KafkaBroker broker = new KafkaBroker("127.0.0.1:" + ports.get(0));
    Path settings =
        Files.writeString(
            folder.resolve("kafka.properties"),
            """
            process.roles=broker,controller
            node.id=1
            controller.quorum.bootstrap.servers=127.0.0.1:%2$d
            listeners=PLAINTEXT://%1$s,CONTROLLER://127.0.0.1:%2$d
            advertised.listeners=PLAINTEXT://%1$s
            controller.listener.names=CONTROLLER
            log.dirs=%3$s
            offsets.topic.replication.factor=1
            offsets.topic.num.partitions=1
            transaction.state.log.replication.factor=1
            transaction.state.log.min.isr=1
            transaction.state.log.num.partitions=1
            group.initial.rebalance.delay.ms=0
            """
                .formatted(broker.servers, ports.get(1), folder.resolve("data")));
    String id = Uuid.randomUuid().toString();
    Process format =
        java(folder, "kafka.tools.StorageTool", "format", "-t", id, "-c", settings, "--standalone");
    if (format.waitFor() != 0) {
      throw new IOException("Kafka: " + lastLine(folder.resolve("kafka.log")));
    }
    Process kafka = java(folder, "kafka.Kafka", settings);
    Runtime.getRuntime().addShutdownHook(new Thread(kafka::destroyForcibly));
    broker.await(kafka, folder);
    return broker;
  }

  private static Process java(Path folder, Object... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-cp",
                Files.readString(folder.resolve("classpath"))));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve("kafka.log").toFile()))
        .start();
  }

  /** Waits until the broker answers. */
  private void await(Process kafka, Path folder) throws Exception {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", servers, "default.api.timeout.ms", START_SECONDS * 1_000);
    try (Admin admin = Admin.create(settings)) {
      var unused = admin.describeCluster().nodes().get();
    } catch (Exception e) {
      String last = lastLine(folder.resolve("kafka.log"));
      kafka.destroyForcibly();
      throw new IOException("Kafka does not answer; the last line of its log is: " + last, e);
    }
  }

  static List<Integer> freePorts(int count) throws IOException {
    List<ServerSocket> sockets = new ArrayList<>();
    List<Integer> ports = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
      sockets.add(socket);
      ports.add(socket.getLocalPort());
    }
    for (ServerSocket socket : sockets) {
      socket.close();
    }
    return ports;
  }

  /** What Maven says first; the lines behind it are general advice. */
  private static String reason(Path log) throws IOException {
    List<String> lines = Files.readAllLines(log, UTF_8);
    return lines.isEmpty() ? "" : lines.get(0);
  }

  private static String lastLine(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file, UTF_8);
    return lines.isEmpty() ? "" : lines.get(lines.size() - 1);
  }

  private static void delete(java.io.File file) {
    java.io.File[] children = file.listFiles();
    for (java.io.File child : children == null ? new java.io.File[0] : children) {
      delete(child);
    }
    var unused = file.delete();
  }

  /** The address, as {@code bootstrap-servers} has it. */
  String servers() {
    return servers;
  }

  Admin admin() {
    return Admin.create(Map.of("bootstrap.servers", servers));
  }

  void create(int partitions, String... topics) throws Exception {
    try (Admin admin = admin()) {
      List<NewTopic> all = new ArrayList<>();
      for (String topic : topics) {
        all.add(new NewTopic(topic, partitions, (short) 1));
      }
      admin.createTopics(all).all().get();
    }
  }

  /** Something that sends lines; a line's key is the tag that its group is made of. */
  KafkaProducer<String, String> producer() {
    return new KafkaProducer<>(
        Map.of("bootstrap.servers", servers, "linger.ms", 5),
        new StringSerializer(),
        new StringSerializer());
  }

  /** Sends records to partition 0, and waits until they are there. */
  void send(String topic, List<String> values) {
    try (KafkaProducer<String, String> producer = producer()) {
      for (String value : values) {
        var unused = producer.send(new ProducerRecord<>(topic, 0, "", value));
      }
    }
  }

  /** A consumer of a whole topic, from its beginning; {@code isolation} is Kafka's level. */
  KafkaConsumer<String, String> consumer(String topic, String isolation) {
    KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(
            Map.of("bootstrap.servers", servers, "isolation.level", isolation),
            new StringDeserializer(),
            new StringDeserializer());
    consumer.assign(
        consumer.partitionsFor(topic).stream()
            .map(partition -> new TopicPartition(topic, partition.partition()))
            .toList());
    consumer.seekToBeginning(consumer.assignment());
    return consumer;
  }

  /**
   * Sends points {@code from} to {@code to} of {@link KafkaPoints}, and waits until they are there.
   */
  void send(String topic, int from, int to) {
    try (KafkaProducer<String, String> producer = producer()) {
      for (int i = from; i < to; i++) {
        var unused =
            producer.send(
                new ProducerRecord<>(topic, KafkaPoints.host(i), KafkaPoints.line(i) + "\n"));
      }
    }
  }
}
