package io.github.kapacitorwasm.wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class WireTest {

  @Test
  void whatIsWrittenIsRead() throws WireException {
    byte[] bytes =
        new WireWriter()
            .varint(1, Long.MIN_VALUE)
            .string(2, "größe")
            .float64(3, -0.1)
            .bool(4, true)
            .message(1000, new WireWriter().varint(1, 300))
            .bytes(6, new byte[] {1, (byte) 0x80, 1})
            .toBytes();
    WireReader reader = new WireReader(bytes);
    assertTrue(reader.next());
    assertEquals(Long.MIN_VALUE, reader.varint());
    assertTrue(reader.next());
    assertEquals("größe", reader.string());
    assertTrue(reader.next());
    assertEquals(-0.1, reader.float64());
    assertTrue(reader.next());
    assertEquals(1, reader.varint());
    assertTrue(reader.next());
    assertEquals(1000, reader.field());
    WireReader inner = reader.message();
    assertTrue(inner.next());
    assertEquals(300, inner.varint());
    assertFalse(inner.next());
    assertTrue(reader.next());
    assertEquals(List.of(1L, 128L), reader.numbers());
    assertFalse(reader.next());
  }

  @Test
  void lengthOfVarintIsThatWritten() {
    byte[] target = new byte[WireWriter.MAX_VARINT];
    for (int bit = 0; bit < 64; bit++) {
      for (long value : new long[] {1L << bit, (1L << bit) - 1}) {
        assertEquals(
            WireWriter.putVarint(target, 0, value), WireWriter.varintLength(value), "" + value);
      }
    }
  }

  @Test
  void knownBytes() {
    assertArrayEquals(
        new byte[] {(byte) 0xC2, 0x3E, 2, 8, 1},
        new WireWriter().message(1000, new WireWriter().varint(1, 1)).toBytes());
  }

  @Test
  void lengthsAreNotTrusted() {
    WireException tooLong =
        assertThrows(WireException.class, () -> readAll(new byte[] {0x0A, 0x7F, 1}));
    assertTrue(tooLong.getMessage().contains("longer than its message"), tooLong.getMessage());
    assertThrows(
        WireException.class,
        () -> readAll(new byte[] {0x0A, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}));
    assertThrows(WireException.class, () -> readAll(new byte[] {0x08, (byte) 0x80}));
    assertThrows(WireException.class, () -> readAll(new byte[] {0x00, 0x00}));
    assertThrows(WireException.class, () -> readAll(new byte[] {0x0B}));
    byte[] endless = new byte[12];
    Arrays.fill(endless, (byte) 0x80);
    endless[0] = 8;
    assertThrows(WireException.class, () -> readAll(endless));
  }

  @Test
  void anyBytesAreReadOrRefused() {
    Random random = new Random(1);
    for (int i = 0; i < 20_000; i++) {
      byte[] bytes = new byte[random.nextInt(30)];
      random.nextBytes(bytes);
      try {
        readAll(bytes);
      } catch (WireException e) {
        assertFalse(e.getMessage().isEmpty());
      }
    }
  }

  private static void readAll(byte[] bytes) throws WireException {
    WireReader reader = new WireReader(bytes);
    while (reader.next()) {
      assertTrue(reader.field() > 0);
    }
  }
}
