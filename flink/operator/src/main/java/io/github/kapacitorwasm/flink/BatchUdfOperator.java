package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.EdgeType;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfSession;

/** Gives batches to a function. */
final class BatchUdfOperator extends UdfOperator<Batch> {

  private static final long serialVersionUID = 1L;

  BatchUdfOperator(UdfFunction function) {
    super(function);
  }

  @Override
  EdgeType edge() {
    return EdgeType.BATCH;
  }

  @Override
  long send(UdfSession session, Batch batch) throws UdfException, InterruptedException {
    session.begin(batch.begin());
    for (Point point : batch.points()) {
      session.point(point.bytes(), 0, point.bytes().length);
    }
    session.end(batch.end());
    return batch.points().size();
  }
}
