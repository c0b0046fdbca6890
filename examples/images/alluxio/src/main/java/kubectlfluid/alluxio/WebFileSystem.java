package kubectlfluid.alluxio;

import alluxio.AlluxioURI;
import alluxio.conf.PropertyKey;
import alluxio.exception.runtime.FailedPreconditionRuntimeException;
import alluxio.underfs.Fingerprint;
import alluxio.underfs.UfsDirectoryStatus;
import alluxio.underfs.UfsFileStatus;
import alluxio.underfs.UfsStatus;
import alluxio.underfs.UnderFileSystemConfiguration;
import alluxio.underfs.options.OpenOptions;
import alluxio.underfs.web.WebUnderFileSystem;
import alluxio.util.UnderFileSystemUtils;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Alluxio's file system of an http(s) mount, with what the published one of 2.9.6 lacks.
 *
 * <ul>
 * <li>It can be mounted: the published one throws in connectFromMaster and connectFromWorker.
 * <li>It reads from an offset with a Range; the published one gets the whole file and skips.
 * <li>It takes names from the links of a listing, not from their texts, which servers shorten, and asks for the entries'
 * sizes at the same time instead of one after the other.
 * <li>It throws an origin's errors. The published one takes them for files that don't exist: a mount can't say what is wrong,
 * and Alluxio forgets its files when it synchronizes while the origin is down.
 * <li>While the origin is down, it answers what it knew last, so that what is cached can be listed and read.
 * <li>Its modes let everybody read.
 * </ul>
 */
class WebFileSystem extends WebUnderFileSystem {
  private static final Logger LOG = LoggerFactory.getLogger(WebFileSystem.class);
  private static final short FILE_MODE = 0444;
  private static final short DIRECTORY_MODE = 0555;
  private static final ExecutorService REQUESTS = Executors.newFixedThreadPool(16, task -> {
    Thread thread = new Thread(task, "web-listing");
    thread.setDaemon(true);
    return thread;
  });

  private final Origin origin;
  private final List<String> titles;
  private final long blockSize;
  /** What the origin said last, by path. A status or a listing of names costs some hundred bytes. */
  private final Cache<String, UfsStatus> statuses = CacheBuilder.newBuilder().maximumSize(200_000).build();
  private final Cache<String, List<String>> listings = CacheBuilder.newBuilder()
      .maximumWeight(200_000).weigher((String path, List<String> names) -> names.size() + 1).build();

  WebFileSystem(AlluxioURI uri, UnderFileSystemConfiguration conf) {
    super(uri, conf);
    titles = conf.getList(PropertyKey.UNDERFS_WEB_TITLES);
    blockSize = conf.getBytes(PropertyKey.USER_BLOCK_SIZE_BYTES_DEFAULT);
    origin = new Origin((int) conf.getMs(PropertyKey.UNDERFS_WEB_CONNECTION_TIMEOUT));
  }

  @Override
  public void connectFromMaster(String hostname) {}

  @Override
  public void connectFromWorker(String hostname) {}

  @Override
  public void cleanup() {}

  /** Does nothing, since Alluxio goes on using what it has closed. */
  @Override
  public void close() {}

  @Override
  public boolean supportsFlush() {
    return false;
  }

  @Override
  public boolean exists(String path) throws IOException {
    if (path.startsWith("/")) {
      return true; // Alluxio tries a connection, without saying to which server. It asks for the directory next.
    }
    try {
      getStatus(path);
      return true;
    } catch (FileNotFoundException e) {
      return false;
    }
  }

  /** Returns true or says why not: Alluxio asks this when it mounts. */
  @Override
  public boolean isDirectory(String path) throws IOException {
    try {
      statuses.put(trim(path), directory(trim(path)));
      return true;
    } catch (FileNotFoundException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  @Override
  public boolean isFile(String path) throws IOException {
    return !getStatus(path).isDirectory();
  }

  @Override
  public UfsStatus getStatus(String path) throws IOException {
    String key = trim(path);
    try {
      UfsStatus status = ask(key);
      statuses.put(key, status);
      return named(status, key);
    } catch (FileNotFoundException e) {
      statuses.invalidate(key);
      throw e;
    } catch (IOException e) {
      UfsStatus known = statuses.getIfPresent(key);
      if (known == null) {
        throw e;
      }
      LOG.warn("{}; what was known of it is used", e.getMessage());
      return named(known, key);
    }
  }

  /** Asks the origin what a path is. */
  private UfsStatus ask(String path) throws IOException {
    UfsStatus known = statuses.getIfPresent(path);
    if (known != null && known.isDirectory()) {
      return directory(path);
    }
    Origin.Answer answer = origin.head(path);
    if (answer.uri().getPath().endsWith("/")) {
      return directory(path); // Servers redirect to a directory's name with a slash.
    }
    String hash = UnderFileSystemUtils.approximateContentHash(answer.length(), answer.modified());
    return new UfsFileStatus(path, hash, answer.length(), answer.modified(), "", "", FILE_MODE, blockSize);
  }

  private UfsStatus directory(String path) throws IOException {
    Origin.Listing listing = origin.list(path);
    if (titles.stream().noneMatch(listing.title()::contains)) {
      throw new IOException(String.format("GET %s/: the answer isn't the listing of a directory: its title is \"%s\", and "
          + "doesn't contain one of %s (the property alluxio.underfs.web.titles)", path, listing.title(), titles));
    }
    return new UfsDirectoryStatus(path, "", "", DIRECTORY_MODE, listing.modified());
  }

  /** Returns a copy, since Alluxio renames what it gets. */
  private static UfsStatus named(UfsStatus status, String name) {
    return status.copy().setName(name);
  }

  @Override
  public UfsStatus[] listStatus(String path) throws IOException {
    String directory = trim(path);
    List<String> names;
    try {
      names = children(directory);
    } catch (FileNotFoundException e) {
      listings.invalidate(directory);
      return null;
    } catch (IOException e) {
      names = listings.getIfPresent(directory);
      if (names == null) {
        // Alluxio would show an empty directory for an IOException.
        throw new FailedPreconditionRuntimeException(e.getMessage(), e);
      }
      LOG.warn("{}; what was known of it is used", e.getMessage());
    }
    List<UfsStatus> result = new ArrayList<>();
    for (String name : names) {
      UfsStatus status = statuses.getIfPresent(directory + "/" + name);
      if (status != null) {
        result.add(named(status, name));
      }
    }
    return result.toArray(new UfsStatus[0]);
  }

  /** Returns the names in a directory, after having asked the origin what they are. */
  private List<String> children(String directory) throws IOException {
    Map<String, Boolean> entries = origin.list(directory).entries();
    List<Callable<Void>> questions = new ArrayList<>();
    entries.forEach((name, isDirectory) -> {
      String path = directory + "/" + name;
      if (isDirectory) {
        statuses.put(path, new UfsDirectoryStatus(name, "", "", DIRECTORY_MODE));
        return;
      }
      questions.add(() -> {
        try {
          statuses.put(path, ask(path));
        } catch (FileNotFoundException e) {
          statuses.invalidate(path); // It has gone since.
        }
        return null;
      });
    });
    List<String> names = List.copyOf(entries.keySet());
    try {
      for (Future<Void> answer : REQUESTS.invokeAll(questions)) {
        answer.get();
      }
    } catch (ExecutionException e) {
      throw new IOException(e.getCause().getMessage(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while listing " + directory, e);
    }
    listings.put(directory, names);
    return names;
  }

  @Override
  public String getFingerprint(String path) {
    return getParsedFingerprint(path).serialize();
  }

  @Override
  public Fingerprint getParsedFingerprint(String path) {
    return getParsedFingerprint(path, null);
  }

  /** Returns an invalid fingerprint, by which Alluxio forgets a path, only if the origin says that the path isn't there. */
  @Override
  public Fingerprint getParsedFingerprint(String path, String contentHash) {
    try {
      return Fingerprint.create(getUnderFSType(), getStatus(path), contentHash);
    } catch (FileNotFoundException e) {
      return Fingerprint.INVALID_FINGERPRINT;
    } catch (IOException e) {
      throw new FailedPreconditionRuntimeException(e.getMessage(), e);
    }
  }

  @Override
  public InputStream open(String path, OpenOptions options) throws IOException {
    return new RangeInputStream(origin, trim(path), options.getOffset(), blockSize);
  }

  private static String trim(String path) {
    return path.replaceAll("/+$", "");
  }
}
