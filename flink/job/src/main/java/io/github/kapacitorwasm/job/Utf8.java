package io.github.kapacitorwasm.job;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Decodes text, and refuses what is none. */
final class Utf8 {

  private Utf8() {}

  static String decode(byte[] bytes) throws CharacterCodingException {
    return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
  }

  /** The line, from 1, with the first byte that is no UTF-8; the last line if there is none. */
  static int badLine(byte[] bytes) {
    ByteBuffer input = ByteBuffer.wrap(bytes);
    // It stops at what it can't decode.
    var unused =
        StandardCharsets.UTF_8.newDecoder().decode(input, CharBuffer.allocate(bytes.length), true);
    int line = 1;
    for (int i = 0; i < input.position(); i++) {
      if (bytes[i] == '\n') {
        line++;
      }
    }
    return line;
  }
}
