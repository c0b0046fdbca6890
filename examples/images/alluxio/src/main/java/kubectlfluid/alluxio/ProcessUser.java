package kubectlfluid.alluxio;

import alluxio.AlluxioURI;
import alluxio.client.file.FileSystem;
import alluxio.conf.AlluxioConfiguration;
import alluxio.fuse.auth.AuthPolicy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Shows all files as owned by the user and group of the FUSE client's process. Alluxio's own policies look both up by name, and
 * fail for a user that isn't in /etc/passwd: the client runs as whoever the pod says.
 */
public class ProcessUser implements AuthPolicy {
  private Optional<Long> uid = Optional.empty();
  private Optional<Long> gid = Optional.empty();

  /** Alluxio looks this method up by its name and parameters. */
  public static ProcessUser create(FileSystem fileSystem, AlluxioConfiguration conf, Optional<?> fuse) {
    return new ProcessUser();
  }

  @Override
  public void init() {
    try {
      Path self = Path.of("/proc/self");
      uid = Optional.of(((Integer) Files.getAttribute(self, "unix:uid")).longValue());
      gid = Optional.of(((Integer) Files.getAttribute(self, "unix:gid")).longValue());
    } catch (IOException e) {
      throw new UncheckedIOException("finding the user of the FUSE client", e);
    }
  }

  @Override
  public void setUserGroupIfNeeded(AlluxioURI uri) {}

  @Override
  public void setUserGroup(AlluxioURI uri, long newUid, long newGid) {}

  @Override
  public Optional<Long> getUid() {
    return uid;
  }

  @Override
  public Optional<Long> getGid() {
    return gid;
  }
}
