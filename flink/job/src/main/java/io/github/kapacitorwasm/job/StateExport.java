package io.github.kapacitorwasm.job;

import java.io.DataInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedStateHandle;

/**
 * Copies the states of plugins out of a savepoint or checkpoint, a file for each key group, which
 * {@code kapacitor-wasm state} reads.
 */
final class StateExport {

  /** What the operator writes before each state. Timers of Flink are kept in the same place. */
  private static final int FORMAT = 1;

  private static final String SUFFIX = ".state";

  private final Path folder;
  private int files;

  private StateExport(Path folder) {
    this.folder = folder;
  }

  /**
   * Writes the states of a savepoint into a folder.
   *
   * @param savepoint path of a savepoint or checkpoint, as {@code --fromSavepoint} has it
   * @return number of files that were written
   * @throws JobException if the savepoint can't be read, or has no state of a plugin
   */
  static int export(String savepoint, Path folder) throws JobException {
    StateExport export = new StateExport(folder);
    // The savepoint first, so that a wrong one leaves no folder behind.
    CheckpointMetadata metadata = read(savepoint);
    try {
      export.createFolder();
      for (OperatorState operator : metadata.getOperatorStates()) {
        for (OperatorSubtaskState subtask : operator.getStates()) {
          for (KeyedStateHandle state : subtask.getRawKeyedState()) {
            if (state instanceof KeyGroupsStateHandle keyGroups) {
              export.keyGroups(operator.getOperatorID().toHexString(), keyGroups);
            }
          }
        }
      }
    } catch (java.nio.file.FileSystemException e) {
      throw new JobException(folder + ": the folder can't be written: " + Reasons.of(e) + ".");
    } catch (IOException e) {
      throw new JobException(
          "The states of "
              + savepoint
              + " can't be copied to "
              + folder
              + ": "
              + Reasons.of(e)
              + ".");
    }
    if (export.files == 0) {
      throw new JobException(savepoint + ": no operator of it has the state of a plugin.");
    }
    return export.files;
  }

  /** Makes the folder. Files of another savepoint in it could be taken for those of this one. */
  private void createFolder() throws IOException, JobException {
    Files.createDirectories(folder);
    try (Stream<Path> there = Files.list(folder)) {
      if (there.anyMatch(file -> file.toString().endsWith(SUFFIX))) {
        throw new JobException(
            folder
                + ": the folder has states already (files *"
                + SUFFIX
                + "). Name another folder, or delete them.");
      }
    }
  }

  private static CheckpointMetadata read(String savepoint) throws JobException {
    try {
      return metadata(savepoint);
    } catch (FileNotFoundException e) {
      throw new JobException(
          savepoint
              + ": there is no savepoint or checkpoint. Give a folder with a file _metadata.");
    } catch (IOException | IllegalArgumentException e) {
      throw new JobException(savepoint + ": the savepoint can't be read: " + Reasons.of(e) + ".");
    }
  }

  private static CheckpointMetadata metadata(String savepoint) throws IOException {
    org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(savepoint);
    FileSystem files = path.getFileSystem();
    if (files.getFileStatus(path).isDir()) {
      path = new org.apache.flink.core.fs.Path(path, "_metadata");
    }
    try (DataInputStream input = new DataInputStream(files.open(path))) {
      return Checkpoints.loadCheckpointMetadata(
          input, StateExport.class.getClassLoader(), savepoint);
    }
  }

  private void keyGroups(String operator, KeyGroupsStateHandle state) throws IOException {
    // Where the bytes of each key group begin, in their order in the file.
    Map<Long, Integer> starts = new TreeMap<>();
    for (Tuple2<Integer, Long> keyGroup : state.getGroupRangeOffsets()) {
      if (keyGroup.f1 >= 0) {
        starts.put(keyGroup.f1, keyGroup.f0);
      }
    }
    try (FSDataInputStream input = state.openInputStream()) {
      for (Map.Entry<Long, Integer> start : starts.entrySet()) {
        input.seek(start.getKey());
        keyGroup(operator, start.getValue(), input);
      }
    }
  }

  /** Copies one state, which begins with its format, its function and its length. */
  private void keyGroup(String operator, int keyGroup, InputStream input) throws IOException {
    if (input.read() != FORMAT) {
      return;
    }
    DataInputStream data = new DataInputStream(input);
    String function = data.readUTF();
    int length = data.readInt();
    String name = function.replaceAll("[^A-Za-z0-9_.-]", "_") + "-" + operator + "-" + keyGroup;
    Path partial = folder.resolve(name + ".partial");
    try (var output = new java.io.DataOutputStream(Files.newOutputStream(partial))) {
      output.writeByte(FORMAT);
      output.writeUTF(function);
      output.writeInt(length);
      copy(data, output, length, keyGroup);
    }
    Files.move(partial, folder.resolve(name + SUFFIX));
    files++;
  }

  private static void copy(InputStream input, java.io.OutputStream output, int length, int keyGroup)
      throws IOException {
    byte[] buffer = new byte[1 << 16];
    int left = length;
    while (left > 0) {
      int read = input.read(buffer, 0, Math.min(left, buffer.length));
      if (read < 0) {
        throw new IOException("the state of key group " + keyGroup + " is cut off");
      }
      output.write(buffer, 0, read);
      left -= read;
    }
  }
}
