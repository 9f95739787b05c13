package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.client.program.ProgramParametrizationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What job.toml may say, and what a user is told about mistakes in it. */
class ConfigReaderTest {

  /** A file without mistakes; each test replaces a line. */
  private static final List<String> GOOD =
      List.of(
          "name = \"means\"",
          "checkpoint-interval = \"10s\"",
          "parallelism = 2",
          "[source]",
          "path = \"in\"",
          "precision = \"ns\"",
          "[from]",
          "group-by = [\"host\"]",
          "group-by-measurement = false",
          "[[plugin]]",
          "call = \"@moving_avg().field('v')\"",
          "window = \"10m\"",
          "[sink]",
          "path = \"out\"");

  @TempDir private Path folder;

  private Path write(String text) throws Exception {
    return Files.writeString(folder.resolve("job.toml"), text);
  }

  /** The sentences about a file, without its folder. */
  private List<String> mistakes(String text) throws Exception {
    Path file = write(text);
    JobException mistake = assertThrows(JobException.class, () -> ConfigReader.read(file));
    return mistake.getMessage().replace(folder + "/", "").lines().toList();
  }

  private static String goodExcept(int line, String replacement) {
    List<String> lines = new ArrayList<>(GOOD);
    lines.set(line - 1, replacement);
    return String.join("\n", lines);
  }

  @Test
  void checkAcceptsTheExamplesOfTheManual() throws Exception {
    List<String> examples = Manual.examples();
    assertEquals(2, examples.size());
    assertTrue(check(examples.get(0)).contains("writes  topic cpu-means of kafka-0:9092"));
    String files = check(examples.get(1));
    assertTrue(files.contains("calls   @outliers().field('usage_user').scale(1.5), with"), files);
    assertTrue(files.contains("calls   @deadband().field('usage_user').band(5.0)"), files);
  }

  @Test
  void checkAcceptsTheJobOfTheManifest() throws Exception {
    String said = check(Manual.jobOfTheManifest());
    assertTrue(said.contains("writes  topic cpu-means of kafka-0:9092"), said);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      quoteCharacter = '|',
      textBlock =
          """
          start = "committed"# where Kafka has the progress of the group, or with the earliest records
          start = "earliest"# with the earliest records
          start = "latest"# with the records that come after its start
          """)
  void checkSaysWhereAJobBegins(String start, String where) throws Exception {
    String topics = "topics = [\"telegraf\"]";
    String job = Manual.examples().get(0).replace(topics, topics + "\n" + start);
    String said = check(job);
    assertTrue(said.contains(" as group cpu-means; without a savepoint it begins " + where), said);
  }

  @Test
  void checkSaysHowWindowsLie() throws Exception {
    String job = Manual.examples().get(1);
    assertTrue(check(job).contains(", with windows of 10m, as node outliers"));
    String overlapping = job.replace("window = \"10m\"", "window = \"10m\"\nevery = \"5m\"");
    assertTrue(check(overlapping).contains(", with windows of 10m, one each 5m, as node outliers"));
  }

  private String check(String text) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      Main.main(new String[] {"--check", write(text).toString()});
    } finally {
      System.setOut(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  @Test
  void theTableOfTheManualHasTheKeysThatAreRead() throws Exception {
    assertEquals(
        Stream.of(Key.values())
            .map(key -> String.join(" | ", key.path(), key.type().title(), key.fallback()))
            .toList(),
        Manual.keys());
  }

  @Test
  void aFileHasWhatItSays() throws Exception {
    JobConfig config = ConfigReader.read(write(String.join("\n", GOOD)));
    assertEquals(2, config.parallelism().getAsInt());
    assertEquals(List.of("host"), config.grouping().tags());
    assertEquals(folder.resolve("in").toUri(), config.source().path().orElseThrow());
    JobConfig.Window window = config.plugins().get(0).window().orElseThrow();
    assertEquals(Duration.ofMinutes(10), window.every());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      quoteCharacter = '"',
      textBlock =
          """
          1#nme = 'x'#`nme` is no key at the top of the file; the keys are name, parallelism
          1#name = 7#`name` must be a string
          1#name = 'a b'#`name` may have letters
          2#checkpoint-interval = 10#`checkpoint-interval` must be a duration in a string
          2#checkpoint-interval = '10'#`checkpoint-interval` must be a number of at most 9 digits and one of the units ms, s, m, h and d, such as '10s', and is '10'
          2#checkpoint-interval = '1m30s'#`checkpoint-interval` must be a number of at most 9 digits
          2#checkpoint-interval = '1ms'#`checkpoint-interval` must be at least 100ms, and is '1ms'
          2#checkpoint-interval = '0s'#`checkpoint-interval` must be at least 100ms, and is '0s'
          3#parallelism = '2'#`parallelism` must be an integer
          3#parallelism = 129#`parallelism` must be from 1 to 128, and is 129
          5#topic = 'in'#`topic` is no key of [source]; the keys are topics, path
          6#precision = 'min'#`precision` must be one of 'ns', 'us', 'ms', 's', and is 'min'
          8#measurements = ['cpu', '*']#`measurements` has `*`, and measurements are compared as they are written
          8#group-by = 'host'#`group-by` must be an array of strings
          8#group-by = []#`group-by` is an empty array
          8#group-by = ['']#`group-by` has an empty text
          9#group-by-measurement = 1#`group-by-measurement` must be true or false
          11#call = '@f(1)'#`call` can't be read: the parentheses of `@f()` are empty
          11#call = '@f().size(n)'#`call` can't be read: `n` is a variable
          11#call = '|f()'#`call` can't be read: `|f()` is wrong there: a call begins with `@`
          11#call = '@f().size('#`call` can't be read: it ends too early
          12#every = '5m'#`every` needs `window`
          14#path = 'job.toml'#`path` is a file; name a folder
          14#path = 'job.toml/of/it'#`path` can't be a folder, since
          14#path = 'in'#`path` is read by the job, too
          14#path = 'in/of/it'#`path` is read by the job, too, with all folders
          """)
  void aMistakeIsASentenceWithItsLine(int line, String replacement, String sentence)
      throws Exception {
    List<String> mistakes = mistakes(goodExcept(line, replacement));
    String start = "job.toml:" + line + ": " + sentence;
    assertTrue(
        mistakes.stream().anyMatch(said -> said.replace('"', '\'').startsWith(start)),
        () -> start + " is not in " + mistakes);
    assertTrue(mistakes.stream().allMatch(said -> said.endsWith(".")), mistakes::toString);
  }

  @Test
  void allMistakesAreToldAtOnceInTheOrderOfTheFile() throws Exception {
    List<String> mistakes =
        mistakes(
            """
            parallelism = true
            [source]
            path = "in"
            colour = "red"
            [[plugin]]
            every = "1"
            """);
    List<String> starts =
        List.of(
            "job.toml: `name` is missing; write, for example, `name = ",
            "job.toml: [sink] needs `topic` or `path`",
            "job.toml:1: `parallelism` must be an integer",
            "job.toml:4: `colour` is no key of [source]",
            "job.toml:5: `plugin.call` is missing",
            "job.toml:6: `every` must be a number of at most 9 digits");
    for (String start : starts) {
      assertEquals(
          1,
          mistakes.stream().filter(said -> said.startsWith(start)).count(),
          () -> start + " in " + mistakes);
    }
    assertEquals(starts.size(), mistakes.size(), mistakes::toString);
  }

  @Test
  void whatIsNoTomlIsASentenceWithItsLine() throws Exception {
    List<String> mistakes = mistakes("name = \"a\"\nparallelism = = 2\n");
    assertTrue(mistakes.get(0).startsWith("job.toml:2: this is not TOML: "), mistakes::toString);
  }

  @Test
  void aFileThatIsNotUtf8IsASentenceWithItsLine() throws Exception {
    Path file = folder.resolve("latin.toml");
    Files.write(file, "name = \"a\"\n# \u00e4\n".getBytes(StandardCharsets.ISO_8859_1));
    JobException mistake = assertThrows(JobException.class, () -> ConfigReader.read(file));
    assertEquals(
        file + ":2: this line is not UTF-8; save the file as UTF-8.", mistake.getMessage());
  }

  @Test
  void theMarkThatSomeEditorsBeginAFileWithIsNoMistake() throws Exception {
    assertEquals("means", ConfigReader.read(write("\ufeff" + String.join("\n", GOOD))).name());
  }

  @Test
  void whatIsWrongWithTopicsAndBrokersIsASentenceWithItsLine() throws Exception {
    List<String> mistakes =
        mistakes(
            """
            name = "a"
            [kafka]
            bootstrap-servers = ["kafka-0:99999"]
            [kafka.properties]
            "acks" = "all"
            "group.id" = "x"
            "client.id" = 1.5
            [source]
            topics = ["a b", "c", "c"]
            [[plugin]]
            call = "@f()"
            [sink]
            topic = ".."
            """);
    List<String> starts =
        List.of(
            "job.toml:3: `bootstrap-servers` has \"kafka-0:99999\"; the highest",
            "job.toml:6: `properties` can't have `group.id`: write",
            "job.toml:7: `client.id` must be a string, an integer, true or false.",
            "job.toml:9: `topics` has \"a b\"; the name of a topic has",
            "job.toml:9: `topics` has a topic twice.",
            "job.toml:13: `topic` has \"..\"; the name of a topic has");
    assertEquals(starts.size(), mistakes.size(), mistakes::toString);
    for (int i = 0; i < starts.size(); i++) {
      assertTrue(mistakes.get(i).startsWith(starts.get(i)), mistakes.get(i));
    }
  }

  @Test
  void aPathBesideTopicsIsTheOnlyMistake() throws Exception {
    List<String> mistakes = mistakes(goodExcept(6, "topics = [\"a\"]"));
    assertEquals(
        List.of("job.toml:5: `path` can't stand beside `topics`; write one of them."), mistakes);
  }

  @Test
  void aCallInATableOfItsOwnIsToldHowToBeWritten() throws Exception {
    List<String> mistakes = mistakes(goodExcept(10, "[plugin]"));
    assertEquals(
        List.of(
            "job.toml:10: `plugin` must be an array of tables: write `[[plugin]]` on a line of its"
                + " own, and its keys below."),
        mistakes);
  }

  @Test
  void aFolderOfSocketsThatIsTooLongIsAMistake() throws Exception {
    String host = "\n[host]\nsocket-dir = \"/";
    String good = String.join("\n", GOOD);
    assertTrue(check(good + host + "x".repeat(99) + "\"").contains("/xx"));
    List<String> mistakes = mistakes(good + host + "x".repeat(100) + "\"");
    assertEquals(
        List.of(
            "job.toml:16: `socket-dir` is too long: the path of a socket can have 107 bytes, with the"
                + " name of the plugin and `.sock`."),
        mistakes);
  }

  @Test
  void oneKeyGroupIsNotSeveral() throws Exception {
    String said = check(goodExcept(3, "max-parallelism = 1"));
    assertTrue(said.contains(", 1 key group, a checkpoint"), said);
  }

  @Test
  void aFileThatCantBeReadHasItsReason() throws Exception {
    assertEquals("permission denied", Reasons.of(new AccessDeniedException("a")));
    assertEquals("Is a directory", Reasons.of(new IOException("Is a directory")));
    Path file = write("");
    assertEquals(
        "it is a file, and no folder",
        Reasons.of(assertThrows(IOException.class, () -> Files.createDirectories(file))));
    assertEquals(
        "Not a directory",
        Reasons.of(assertThrows(IOException.class, () -> Files.createFile(file.resolve("b")))));
  }

  @Test
  void moreSubtasksThanKeyGroupsAreASentence() throws Exception {
    assumeTrue(Runtime.getRuntime().availableProcessors() > 1, "Flink's default is 1 here");
    Path file = write(goodExcept(3, "max-parallelism = 1"));
    String said =
        assertThrows(
                ProgramParametrizationException.class,
                () -> Main.main(new String[] {file.toString()}))
            .getMessage();
    assertTrue(
        said.startsWith(file + ": Flink gives the job the parallelism ")
            && said.contains("and `max-parallelism` is 1"),
        said);
  }

  @Test
  void aFileThatIsAbsentIsASentence() {
    Path file = folder.resolve("absent.toml");
    JobException mistake = assertThrows(JobException.class, () -> ConfigReader.read(file));
    assertEquals(file + ": there is no such file.", mistake.getMessage());
  }
}
