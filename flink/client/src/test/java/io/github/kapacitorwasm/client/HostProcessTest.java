package io.github.kapacitorwasm.client;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A host ends with the process that has started it, and leaves nothing behind. */
@Timeout(120)
class HostProcessTest {

  @TempDir private Path temporary;

  /** The program that is killed: starts a host, and says when it is ready. */
  static final class Parent {

    private Parent() {}

    public static void main(String[] args) throws Exception {
      HostProcess.start(Path.of(args[0]), Path.of(args[1]));
      System.out.println("ready");
      // Ends with the test, if the test is killed.
      var unused = System.in.read();
    }
  }

  private Process parent(Path plugins) throws Exception {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Djava.io.tmpdir=" + temporary,
            "-cp",
            System.getProperty("java.class.path"),
            Parent.class.getName(),
            TestHost.binary().toString(),
            plugins.toString())
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  /** A folder with one plugin. */
  private Path plugins() throws Exception {
    Path plugins = Files.createDirectory(temporary.resolve("plugins"));
    Files.copy(TestHost.plugins().resolve("moving_avg.wasm"), plugins.resolve("moving_avg.wasm"));
    return plugins;
  }

  private static Set<ProcessHandle> descendants(Process parent, int least) throws Exception {
    Set<ProcessHandle> found = Set.of();
    while (found.size() < least) {
      assertTrue(parent.isAlive());
      found = parent.descendants().collect(Collectors.toSet());
      Thread.onSpinWait();
    }
    return found;
  }

  /** Kills a process, whose output can still be read. */
  private static void kill(Process process) {
    assertTrue(process.toHandle().destroyForcibly());
  }

  private void assertNothingIsLeft(Set<ProcessHandle> processes) throws Exception {
    for (ProcessHandle process : processes) {
      var unused = process.onExit().get(30, TimeUnit.SECONDS);
    }
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(0, left.filter(path -> path.getFileName().toString().startsWith("kw-")).count());
    }
  }

  @Test
  void theHostEndsWithAParentThatIsKilled() throws Exception {
    Process parent = parent(plugins());
    try (BufferedReader lines = parent.inputReader(UTF_8)) {
      assertEquals("ready", lines.readLine());
    }
    // The host, the shell that waits, and its `cat`.
    Set<ProcessHandle> processes = descendants(parent, 3);
    kill(parent);
    assertNothingIsLeft(processes);
  }

  /** All plugins of the repository take long to compile. */
  @Test
  void theHostEndsWithAParentThatIsKilledBeforeItIsReady() throws Exception {
    Process parent = parent(TestHost.plugins());
    Set<ProcessHandle> processes = descendants(parent, 3);
    try (BufferedReader lines = parent.inputReader(UTF_8)) {
      kill(parent);
      assertEquals(null, lines.readLine(), "the host was ready too early");
    }
    assertNothingIsLeft(processes);
  }

  /** What a host says, with the level of each line. */
  private static final class Said {

    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();

    HostProcess start(Path plugins) throws Exception {
      return HostProcess.start(
          TestHost.binary(), plugins, (level, line) -> lines.add(level + " " + line));
    }

    /** Waits for a line of this form. */
    String await(String regex) throws Exception {
      for (; ; ) {
        String line = lines.poll(30, TimeUnit.SECONDS);
        assertTrue(line != null, "no line is like " + regex);
        if (line.matches(regex)) {
          return line;
        }
      }
    }
  }

  @Test
  void eachLineOfTheLogHasItsLevel() throws Exception {
    Path plugins = plugins();
    Files.writeString(plugins.resolve("damaged.wasm"), "text");
    Said said = new Said();
    HostProcess host = said.start(plugins);
    var unused = said.await("ERROR ts=\\S+ lvl=error msg=.*damaged.*");
    unused = said.await("DEBUG ts=\\S+ lvl=info msg=ready .*");
    host.close();
    unused = said.await("DEBUG ts=\\S+ lvl=info msg=stopping .*");
    assertEquals(0, said.lines.stream().filter(line -> line.contains("by itself")).count());
  }

  @Test
  void anEndByItselfIsSaid() throws Exception {
    Said said = new Said();
    try (HostProcess host = said.start(plugins())) {
      assertTrue(host.process().destroyForcibly());
      assertEquals(
          "ERROR the host has ended by itself, killed by the signal 9: someone killed it, or the"
              + " system had no memory left",
          said.await(".*by itself.*"));
    }
  }

  @Test
  void aLineThatIsNotTakenKeepsNoOtherOneBack() throws Exception {
    BlockingQueue<String> taken = new LinkedBlockingQueue<>();
    HostProcess host =
        HostProcess.start(
            TestHost.binary(),
            plugins(),
            (level, line) -> {
              if (!line.contains("msg=stopping")) {
                throw new IllegalStateException("a line is not taken, as the test wants");
              }
              taken.add(line);
            });
    host.close();
    assertEquals(1, taken.size());
  }

  @Test
  void aVeryLongLineIsCut() throws Exception {
    Path program = temporary.resolve("host");
    Files.writeString(
        program,
        """
        #!/bin/sh
        head -c 100000000 /dev/zero | tr '\\0' x >&2
        echo >&2
        echo 'ts=now lvl=info msg=ready' >&2
        cat
        """);
    assertTrue(program.toFile().setExecutable(true));
    Said said = new Said();
    try (HostProcess host =
        HostProcess.start(
            program, temporary, (level, line) -> said.lines.add(level + " " + line))) {
      assertEquals("WARNING " + "x".repeat(64 << 10), said.await("WARNING x+"));
      assertTrue(host.process().isAlive());
    }
  }
}
