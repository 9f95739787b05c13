package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.flink.client.program.ProgramParametrizationException;
import org.junit.jupiter.api.Test;

/** What a user is told about the command line. */
class CommandLineTest {

  @Test
  void aWrongCommandLineIsASentence() {
    List<List<String>> lines =
        List.of(
            List.of("--chek", "a.toml"),
            List.of("--anything", "a.toml"),
            List.of("--version", "a.toml"),
            List.of("a.toml", "--export", "b"),
            List.of("--check"),
            List.of("--check", "a", "b"),
            List.of("--check", "--unchecked", "a"),
            List.of("--export", "a"),
            List.of(""));
    List<String> sentences =
        List.of(
            "there is no option --chek; did you mean --check?\n",
            "there is no option --anything.\n",
            "--version can't have other arguments beside it.\n",
            "--export has to be the first argument.\n",
            "the file of the job is missing",
            "only one file can be given, and there are a b",
            "only one option can be given, and there are --check --unchecked",
            "--export needs a savepoint and a folder, and the command line has 1 argument.\n",
            "the file of the job is missing");
    for (int i = 0; i < lines.size(); i++) {
      String[] line = lines.get(i).toArray(String[]::new);
      String said =
          assertThrows(ProgramParametrizationException.class, () -> Main.main(line)).getMessage();
      assertTrue(said.startsWith("The command line is wrong: " + sentences.get(i)), said);
    }
  }

  @Test
  void withoutFlinkItSaysWhatToDo() {
    NoClassDefFoundError absent = new NoClassDefFoundError("a/B");
    assertEquals(
        "Flink is not there (no class a/B): start the job with `flink run`, or give --check.",
        Main.withoutFlink(new String[] {"a.toml"}, absent).getMessage());
    assertEquals(
        "Flink is not there (no class a/B): write the states with `flink run"
            + " kapacitor-wasm-flink.jar --export ...`.",
        Main.withoutFlink(new String[] {"--export", "a", "b"}, absent).getMessage());
  }

  @Test
  void theVersionIsThatOfTheBuild() throws Exception {
    assertTrue(
        Version.text()
            .matches("kapacitor-wasm-flink \\d+\\.\\d+\\.\\d+, built for Flink \\d+\\.\\d+\\.\\d+"),
        Version.text());
  }
}
