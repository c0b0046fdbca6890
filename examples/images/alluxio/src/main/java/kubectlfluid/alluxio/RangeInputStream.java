package kubectlfluid.alluxio;

import java.io.IOException;
import java.io.InputStream;

/**
 * A file of an origin from an offset on. It is got in ranges that end where Alluxio's blocks do, since a reader of one block
 * stops there: an open range would have the origin send more than is read.
 */
class RangeInputStream extends InputStream {
  private final Origin origin;
  private final String path;
  private final long blockSize;
  private long offset;
  private long end;
  private Origin.Body body;

  RangeInputStream(Origin origin, String path, long offset, long blockSize) throws IOException {
    this.origin = origin;
    this.path = path;
    this.offset = offset;
    this.blockSize = blockSize;
    next(); // An origin that doesn't have the file says so at once.
  }

  private void next() throws IOException {
    end = (offset / blockSize + 1) * blockSize;
    body = origin.open(path, offset, end - 1);
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] buffer, int start, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    while (body != null) {
      int n = body.stream().read(buffer, start, (int) Math.min(length, end - offset));
      if (n > 0) {
        offset += n;
        if (offset == end) {
          boolean more = offset < body.size();
          close();
          if (more) {
            next();
          }
        }
        return n;
      }
      if (offset < Math.min(end, body.size())) {
        throw new IOException(String.format("GET %s: the answer ended after %d bytes of %d", path, offset, body.size()));
      }
      close();
    }
    return -1;
  }

  @Override
  public void close() throws IOException {
    if (body != null) {
      body.close();
      body = null;
    }
  }
}
