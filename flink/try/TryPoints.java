import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The data of try.sh: makes points as Telegraf writes them, and compares what the job has written with what is computed
 * here, without any code of the job or of its plugins.
 */
public final class TryPoints {

  private static final int HOSTS = 1_000;
  private static final int SIZE = 30;
  private static final long FIRST_NANOS = 1_700_000_000_000_000_000L;
  private static final long STEP_NANOS = 1_000_000;

  /** A line that can't be read comes after each so many points. */
  private static final long BAD_EVERY = 100_000;

  /** The consumer waits so long for more records than there should be. */
  private static final Duration QUIET = Duration.ofSeconds(6);

  /** The exit code if the results are not the expected ones. */
  private static final int DIFFERENT = 3;

  private TryPoints() {}

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "ports" -> ports(Integer.parseInt(args[1]));
      case "create" -> create(args[1], Arrays.asList(args).subList(2, args.length));
      case "produce" ->
          produce(
              args[1], args[2], Long.parseLong(args[3]), Long.parseLong(args[4]), Path.of(args[5]), Path.of(args[6]));
      case "check" -> System.exit(check(args[1], args[2], Integer.parseInt(args[3]), Long.parseLong(args[4])) ? 0 : DIFFERENT);
      case "resumed" -> resumed(args[1], args[2], Path.of(args[3]));
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  /** Prints ports that nobody uses now. */
  private static void ports(int count) throws IOException {
    List<ServerSocket> sockets = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      sockets.add(new ServerSocket(0));
    }
    for (ServerSocket socket : sockets) {
      System.out.println(socket.getLocalPort());
      socket.close();
    }
  }

  /** Creates topics, once the broker is there. */
  private static void create(String servers, List<String> topics) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
      admin.createTopics(topics.stream().map(name -> new NewTopic(name, 4, (short) 1)).toList()).all().get();
    }
  }

  private static double value(long i) {
    return ((i * 0x9E37_79B9_7F4A_7C15L) >>> 40) / 1000.0;
  }

  private static String tags(long i) {
    return "cpu,host=server" + i % HOSTS + ",region=north ";
  }

  /** The fields before and behind the mean, in the order of their names. */
  private static String before(long i) {
    return "bytes_recv=" + i * 7 + "u,";
  }

  private static String behind(long i) {
    return "n=" + i + "i,ok=" + (i % 3 == 0) + ",state=\"it is \\\"up\\\"\",usage_user=" + value(i);
  }

  private static long time(long i) {
    return FIRST_NANOS + i * STEP_NANOS;
  }

  /** Sends a record; the program ends if Kafka does not take it, since the results would lack it. */
  private static void send(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) {
    producer.send(
        record,
        (metadata, problem) -> {
          if (problem != null) {
            System.err.println("a point can't be sent: " + problem);
            System.exit(1);
          }
        });
  }

  /**
   * Sends points at a rate, and writes into a file how many there were. The last quarter comes at a tenth of the rate
   * until the file {@code done} is there: on a slow machine, too, there have to be points until the last step.
   */
  private static void produce(
      String servers, String topic, long count, long rate, Path progress, Path done) throws Exception {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", servers, "acks", "all", "linger.ms", 20, "compression.type", "lz4");
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      long due = System.nanoTime();
      for (long i = 0; i < count; i++) {
        byte[] key = ("server" + i % HOSTS).getBytes(UTF_8);
        String line = tags(i) + before(i) + behind(i) + " " + time(i) + "\n";
        send(producer, new ProducerRecord<>(topic, key, line.getBytes(UTF_8)));
        if (i % BAD_EVERY == BAD_EVERY / 2) {
          send(producer, new ProducerRecord<>(topic, key, "cpu,host=server0 usage_user=high\n".getBytes(UTF_8)));
        }
        if (i % 1_000 == 0) {
          tell(progress, i);
          boolean isSlow = i > count * 3 / 4 && !Files.exists(done);
          due += 1_000_000_000_000L / rate * (isSlow ? 10 : 1);
          long ahead = due - System.nanoTime();
          if (ahead > 0) {
            Thread.sleep(ahead / 1_000_000, (int) (ahead % 1_000_000));
          }
        }
      }
    }
    tell(progress, count);
  }

  /** Writes a number into a file that others read meanwhile, and never see empty. */
  private static void tell(Path progress, long number) throws IOException {
    Path next = progress.resolveSibling(progress.getFileName() + ".next");
    Files.writeString(next, Long.toString(number));
    Files.move(next, progress, StandardCopyOption.ATOMIC_MOVE);
  }

  /** The mean of the last values of the group of a point. */
  private static double mean(long i) {
    double sum = 0;
    int number = 0;
    for (long j = i; j >= 0 && number < SIZE; j -= HOSTS) {
      sum += value(j);
      number++;
    }
    return sum / number;
  }

  private static boolean isRight(String line, long i) {
    int at = line.indexOf("mean=");
    int end = line.indexOf(',', at);
    if (at < 0 || end < 0) {
      return false;
    }
    String rest = line.substring(0, at) + line.substring(end + 1);
    if (!rest.equals(tags(i) + before(i) + behind(i) + " " + time(i) + "\n")) {
      return false;
    }
    double expected = mean(i);
    return Math.abs(Double.parseDouble(line.substring(at + 5, end)) - expected) <= 1e-9 * (1 + expected);
  }

  /**
   * Waits until a consumer sees the first result that the sink has written after a failure, and prints how many seconds
   * the failure kept results back. The file gets the time of the failure, in milliseconds since 1970, once it has
   * happened. What was written between the failure and the restart of the job is never committed.
   */
  private static void resumed(String servers, String topic, Path failure) throws Exception {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(servers, topic)) {
      consumer.seekToEnd(consumer.assignment());
      consumer.assignment().forEach(consumer::position);
      System.out.println("ready");
      while (true) {
        var records = consumer.poll(Duration.ofMillis(20));
        long now = System.currentTimeMillis();
        long failed = Files.exists(failure) ? Long.parseLong(Files.readString(failure).strip()) : Long.MAX_VALUE;
        for (ConsumerRecord<byte[], byte[]> record : records) {
          if (record.timestamp() > failed) {
            System.out.println((now - failed) / 1000.0);
            return;
          }
        }
      }
    }
  }

  /** A consumer of all partitions, which sees only what is committed. */
  private static KafkaConsumer<byte[], byte[]> consumer(String servers, String topic) {
    KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(
            Map.of("bootstrap.servers", servers, "isolation.level", "read_committed"),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer());
    consumer.assign(
        consumer.partitionsFor(topic).stream()
            .map((PartitionInfo partition) -> new TopicPartition(topic, partition.partition()))
            .toList());
    return consumer;
  }

  /** Compares the topic with what should be in it; returns whether both are the same. */
  private static boolean check(String servers, String topic, int count, long seconds) {
    BitSet seen = new BitSet(count);
    long[] last = new long[HOSTS];
    Arrays.fill(last, -1);
    long records = 0;
    long twice = 0;
    long wrong = 0;
    long disordered = 0;
    long deadline = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(servers, topic)) {
      consumer.seekToBeginning(consumer.assignment());
      long quietSince = System.nanoTime();
      while (System.nanoTime() < deadline) {
        boolean isAny = false;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
          isAny = true;
          records++;
          String line = new String(record.value(), UTF_8);
          long nanos = timeOf(line);
          long i = (nanos - FIRST_NANOS) / STEP_NANOS;
          if (i < 0 || i >= count || time(i) != nanos || !isRight(line, i)) {
            if (wrong++ < 5) {
              System.out.print("wrong: " + line);
            }
            continue;
          }
          int host = (int) (i % HOSTS);
          if (seen.get((int) i)) {
            twice++;
          } else if (i < last[host]) {
            disordered++;
          }
          seen.set((int) i);
          last[host] = Math.max(last[host], i);
        }
        if (isAny) {
          quietSince = System.nanoTime();
        } else if (seen.cardinality() == count && System.nanoTime() - quietSince > QUIET.toNanos()) {
          break;
        }
      }
    }
    long missing = count - seen.cardinality();
    System.out.printf("| records | missing | twice | wrong | out of order |%n|---|---|---|---|---|%n");
    System.out.printf("| %d | %d | %d | %d | %d |%n", records, missing, twice, wrong, disordered);
    return Stream.of(missing, twice, wrong, disordered).allMatch(bad -> bad == 0);
  }

  private static long timeOf(String line) {
    try {
      return Long.parseLong(line.substring(line.lastIndexOf(' ') + 1).strip());
    } catch (NumberFormatException e) {
      return -1;
    }
  }
}
