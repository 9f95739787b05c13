package io.github.kapacitorwasm.client;

import static io.github.kapacitorwasm.client.ScriptedHost.readSome;
import static io.github.kapacitorwasm.client.ScriptedHost.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a client says of hosts that are wrong, silent or gone. */
@Timeout(60)
class WrongHostTest {

  /** An answer to Init: {@code success = true, clientState = true}. */
  private static final int[] INIT_OK = {7, 0x12, 5, 8, 1, 0xC0, 0x3E, 1};

  private static UdfException failureOf(ScriptedHost.Script script) throws Exception {
    try (ScriptedHost host = new ScriptedHost(script);
        UdfClient client =
            new UdfClient(
                host.socketDir(),
                UdfClientOptions.defaults()
                    .withAnswerTimeout(Duration.ofSeconds(2))
                    .withMaxMessageBytes(1000),
                () -> {})) {
      return assertThrows(
          UdfException.class,
          () -> {
            UdfSession session = client.open("f", "key group 3", (s, bytes, offset, length) -> {});
            session.init("task", "node", UdfOptions.none());
            session.point(new byte[] {8, 1}, 0, 2);
            session.snapshot();
            client.await(() -> !session.isAwaitingAnswer());
          });
    }
  }

  private static void assertSays(String expected, UdfException e) {
    assertEquals("f", e.function());
    assertEquals("key group 3", e.session());
    assertTrue(e.getMessage().startsWith("function f, key group 3: "), e.getMessage());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
  }

  @Test
  void refusalOfInitIsTheHostsSentence() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, 9, 0x12, 7, 8, 0, 0x12, 3, 'b', 'a', 'd');
              readSome(channel);
            });
    assertSays("the host refuses to start it: bad", e);
  }

  @Test
  void errorIsTheHostsSentence() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, INIT_OK);
              write(channel, 7, 0x32, 5, 0x0A, 3, 'd', 'i', 'e');
              readSome(channel);
            });
    assertSays("the host has ended it: die", e);
  }

  @Test
  void closedConnectionIsNoticed() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, INIT_OK);
            });
    assertSays("the connection", e);
  }

  @Test
  void endWithinAMessageIsNoticed() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, INIT_OK);
              readSome(channel);
              write(channel, 9, 0x12);
            });
    assertSays("the host has closed the connection within a message", e);
  }

  /** The end of the connection alone does not say that all results have come. */
  @Test
  void endWithoutAWordIsNoEndOfTheResults() throws Exception {
    try (ScriptedHost host =
            new ScriptedHost(
                channel -> {
                  readSome(channel);
                  write(channel, INIT_OK);
                  readSome(channel);
                  write(channel, 5, 0x8A, 1, 2, 8, 1);
                });
        UdfClient client = new UdfClient(host.socketDir())) {
      UdfSession session = client.open("f", "key group 3", (s, bytes, offset, length) -> {});
      session.init("task", "node", UdfOptions.none());
      session.point(new byte[] {8, 1}, 0, 2);
      assertSays(
          "the host has closed the connection before all results had come that the plugin sends at"
              + " the end of its input",
          assertThrows(UdfException.class, session::finish));
    }
  }

  @Test
  void hugeMessageIsRefused() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F);
              readSome(channel);
            });
    assertSays("the host sends a message of more than 1000 bytes", e);
  }

  @Test
  void answerThatNobodyAskedForIsRefused() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, INIT_OK);
              write(channel, 4, 0x2A, 2, 8, 1);
              readSome(channel);
              readSome(channel);
            });
    assertSays("there is an answer to Restore", e);
  }

  @Test
  void garbageIsRefused() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, 2, 0x12, 99);
              readSome(channel);
            });
    assertSays("the host sends what is no answer", e);
  }

  @Test
  void silenceIsNoticed() throws Exception {
    UdfException e =
        failureOf(
            channel -> {
              readSome(channel);
              write(channel, INIT_OK);
              readSome(channel);
              readSome(channel);
            });
    assertSays("the host does not answer Snapshot, and has given no sign of life for 2 s", e);
  }

  @Test
  void missingFolderIsNamed() throws Exception {
    try (UdfClient client =
        new UdfClient(
            Path.of("/nowhere/at/all"),
            UdfClientOptions.defaults().withConnectTimeout(Duration.ofMillis(1)),
            () -> {})) {
      UdfException e = assertThrows(UdfException.class, () -> client.info("f"));
      assertTrue(e.getMessage().contains("there is no folder /nowhere/at/all"), e.getMessage());
    }
  }

  @Test
  void missingFunctionIsNamed() throws Exception {
    try (ScriptedHost host = new ScriptedHost(channel -> {});
        UdfClient client =
            new UdfClient(
                host.socketDir(),
                UdfClientOptions.defaults().withConnectTimeout(Duration.ofMillis(1)),
                () -> {})) {
      UdfException e = assertThrows(UdfException.class, () -> client.info("g"));
      assertTrue(e.getMessage().contains("function g: there is no socket"), e.getMessage());
    }
  }
}
