package io.github.kapacitorwasm.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.client.TestHost;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What {@code --check} learns from the host of the job. */
@Timeout(120)
class HostCheckTest {

  @TempDir private Path folder;

  private JobConfig job(String program, String... plugins) throws Exception {
    return job(program, TestHost.plugins(), plugins);
  }

  private JobConfig job(String program, Path pluginsDir, String... plugins) throws Exception {
    return ConfigReader.read(
        Files.writeString(
            folder.resolve("job.toml"),
            """
            name = "job"
            [source]
            path = "in"
            [sink]
            path = "out"
            [host]
            program = "%s"
            plugins-dir = "%s"
            %s
            """
                .formatted(program, pluginsDir, String.join("\n", plugins))));
  }

  private static String plugin(String call, String more) {
    return "[[plugin]]\ncall = \"" + call + "\"\n" + more;
  }

  @Test
  void aGoodJobIsChecked() throws Exception {
    String program = TestHost.binary().toString();
    assertEquals(
        "functions, windows and options, by " + program,
        HostCheck.check(
            job(
                program,
                plugin("@outliers().field('v').scale(1.5)", "window = \"1m\""),
                plugin("@deadband().field('v').band(5.0)", ""))));
  }

  @Test
  void allThatTheHostRefusesIsToldWithItsLine() throws Exception {
    JobConfig job =
        job(
            TestHost.binary().toString(),
            plugin("@outlierz()", ""),
            plugin("@outliers().field('v').scal(1.5)", "window = \"1m\""),
            plugin("@outliers().field('v')", "node = \"b\""),
            plugin("@deadband().field('v').band('a')", "node = \"c\""),
            plugin("@deadband().field('v').band(5.0)", "node = \"d\"\nwindow = \"1m\""));
    List<String> said =
        assertThrows(JobException.class, () -> HostCheck.check(job))
            .getMessage()
            .replace(folder + "/", "")
            .lines()
            .toList();
    assertEquals(5, said.size(), said::toString);
    assertTrue(said.get(0).startsWith("job.toml:10: there is no plugin `outlierz`"), said.get(0));
    assertTrue(said.get(0).endsWith("did you mean `outliers`?"), said.get(0));
    assertTrue(
        said.get(1)
            .startsWith(
                "job.toml:13: function outliers, node outliers: the host refuses to start it: "),
        said.get(1));
    assertTrue(said.get(1).contains("scal"), said.get(1));
    assertTrue(said.get(2).startsWith("job.toml:16: `@outliers()` takes batches"), said.get(2));
    assertTrue(said.get(3).startsWith("job.toml:19: function deadband, node c: "), said.get(3));
    assertTrue(said.get(4).startsWith("job.toml:22: `@deadband()` takes points"), said.get(4));
  }

  private String mistake(String program, Path plugins) throws Exception {
    JobConfig job = job(program, plugins, plugin("@mirror()", ""));
    return assertThrows(JobException.class, () -> HostCheck.check(job))
        .getMessage()
        .replace(folder + "/", "");
  }

  @Test
  void aProgramThatIsNoHostIsASentenceWithItsLine() throws Exception {
    String text = Files.writeString(folder.resolve("text"), "x").toString();
    assertEquals(
        "job.toml:7: `program` text can't be run: the file has no right `x` for you; is it"
            + " kapacitor-wasm?",
        mistake(text, TestHost.plugins()));
    assertEquals(
        "job.toml:7: `program` "
            + TestHost.plugins()
            + " is a folder; name the file kapacitor-wasm in it.",
        mistake(TestHost.plugins().toString(), TestHost.plugins()));
    Path plugins = Files.createDirectory(folder.resolve("plugins"));
    Files.writeString(plugins.resolve("mirror.wasm"), "x");
    assertEquals(
        "job.toml:7: the host /bin/true of `program` can't be asked: the host has ended before it"
            + " was ready and has written no log; is the program kapacitor-wasm?",
        mistake("/bin/true", plugins));
  }

  @Test
  void thePluginsAreWhereTheFileSays() throws Exception {
    String program = TestHost.binary().toString();
    String text = Files.writeString(folder.resolve("text"), "x").toString();
    assertEquals(
        "job.toml:8: `plugins-dir` text is a file; name the folder of the plugins.",
        mistake(program, Path.of(text)));
    Path plugins = Files.createDirectory(folder.resolve("plugins"));
    Files.writeString(plugins.resolve("mirror.wasm"), "x");
    String said = mistake(program, plugins);
    assertTrue(said.contains(" plugins/mirror.wasm") && !said.contains("kw-plugins-"), said);
  }

  @Test
  void withoutTheHostOnThisMachineItSaysSo() throws Exception {
    assertEquals(
        "nothing about functions and options: there is no /absent/host on this machine; the host"
            + " checks them when the job starts",
        HostCheck.check(job("/absent/host", plugin("@outlierz()", ""))));
  }
}
