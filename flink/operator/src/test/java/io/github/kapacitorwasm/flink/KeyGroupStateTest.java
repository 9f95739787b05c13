package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** What is said of the states of a checkpoint that can't be taken. */
class KeyGroupStateTest {

  @Test
  void theStateOfAnotherFunctionIsASentenceForJobsAndForJava() throws Exception {
    ByteArrayOutputStream state = new ByteArrayOutputStream();
    DataOutputStream output = new DataOutputStream(state);
    output.writeByte(1);
    output.writeUTF("moving_avg");
    assertEquals(
        "the state of key group 16 is that of the function moving_avg, and the function ema can't"
            + " take it: give the call another `node` in job.toml (in Java, each operator a `uid`"
            + " of its own), or start without the savepoint",
        assertThrows(
                IOException.class,
                () -> KeyGroupState.read("ema", 16, new ByteArrayInputStream(state.toByteArray())))
            .getMessage());
  }
}
