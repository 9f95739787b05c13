package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.EdgeType;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfSession;

/** Gives points to a function. */
final class StreamUdfOperator extends UdfOperator<Point> {

  private static final long serialVersionUID = 1L;

  StreamUdfOperator(UdfFunction function) {
    super(function);
  }

  @Override
  EdgeType edge() {
    return EdgeType.STREAM;
  }

  @Override
  long send(UdfSession session, Point point) throws UdfException, InterruptedException {
    byte[] bytes = point.bytes();
    session.point(bytes, 0, bytes.length);
    return 1;
  }
}
