package kubectlfluid.alluxio;

import java.io.Closeable;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.http.Header;
import org.apache.http.HttpHeaders;
import org.apache.http.HttpStatus;
import org.apache.http.client.config.RequestConfig;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.client.methods.HttpHead;
import org.apache.http.client.methods.HttpRequestBase;
import org.apache.http.client.protocol.HttpClientContext;
import org.apache.http.client.utils.DateUtils;
import org.apache.http.conn.ConnectTimeoutException;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;

/**
 * The web servers that mounts lead to. Errors name the request, what is wrong, and nothing that a URL may hold as secret. Paths
 * are whole URLs without a slash at their end.
 */
class Origin {
  /** How long a server that couldn't be reached isn't asked again: each request would wait for the time limit. */
  private static final long DOWN_MILLIS = 3000;
  /** One for all mounts of the process. */
  private static final CloseableHttpClient CLIENT = HttpClients.custom().setMaxConnPerRoute(64).setMaxConnTotal(256)
      .disableCookieManagement().evictIdleConnections(30, TimeUnit.SECONDS).build();

  private final int timeoutMillis;
  private final RequestConfig limits;
  private final Map<String, Down> down = new ConcurrentHashMap<>();

  /** Makes clients with a limit for a connection, and for each part of an answer. */
  Origin(int timeoutMillis) {
    this.timeoutMillis = timeoutMillis;
    limits = RequestConfig.custom().setConnectTimeout(timeoutMillis).setSocketTimeout(timeoutMillis)
        .setConnectionRequestTimeout(timeoutMillis).setContentCompressionEnabled(false).build();
  }

  /** Why a server couldn't be reached, and until when it isn't asked. */
  private record Down(String why, long until) {}

  /** What the origin says of a file; uri is where redirects led to. */
  record Answer(URI uri, long length, long modified) {}

  /** A page of links: entries by their names, and whether they are directories. */
  record Listing(String title, Long modified, Map<String, Boolean> entries) {}

  /** A part of a file; size is the size of the whole file. */
  record Body(InputStream stream, long size, CloseableHttpResponse response) implements Closeable {
    @Override
    public void close() throws IOException {
      response.close(); // Not the stream, which would read what is left.
    }
  }

  Answer head(String path) throws IOException {
    HttpClientContext context = HttpClientContext.create();
    HttpHead request = new HttpHead(uri(path, false));
    try (CloseableHttpResponse response = send(request, context, path)) {
      long modified = modified(response, 0L);
      Header length = response.getFirstHeader(HttpHeaders.CONTENT_LENGTH);
      URI landed = landed(request, context);
      if (length == null && !landed.getPath().endsWith("/")) {
        throw new IOException("HEAD " + shown(path) + ": the answer has no Content-Length, by which a file's size is known");
      }
      return new Answer(landed, length == null ? 0 : Long.parseLong(length.getValue()), modified);
    }
  }

  Listing list(String path) throws IOException {
    HttpClientContext context = HttpClientContext.create();
    HttpGet request = new HttpGet(uri(path, true));
    try (CloseableHttpResponse response = send(request, context, path + "/")) {
      URI base = landed(request, context);
      Document page;
      try {
        page = Jsoup.parse(response.getEntity().getContent(), null, base.toString());
      } catch (IOException e) {
        throw failed(request, path + "/", e);
      }
      return new Listing(page.title(), modified(response, null), entries(page, base));
    }
  }

  /** Returns the links of a page that lead to what lies directly below it: not to its parent, nor to itself sorted otherwise. */
  private static Map<String, Boolean> entries(Document page, URI base) {
    Map<String, Boolean> entries = new LinkedHashMap<>();
    for (Element link : page.select("a[href]")) {
      URI target;
      try {
        target = new URI(link.absUrl("href"));
      } catch (URISyntaxException e) {
        continue;
      }
      String directory = base.getRawPath();
      if (target.getRawQuery() != null || target.getRawFragment() != null || target.getRawPath() == null
          || !base.getRawAuthority().equals(target.getRawAuthority()) || !target.getRawPath().startsWith(directory)) {
        continue;
      }
      String name = decode(target.getRawPath().substring(directory.length()));
      boolean isDirectory = name.endsWith("/");
      name = isDirectory ? name.substring(0, name.length() - 1) : name;
      if (!name.isEmpty() && !name.contains("/") && !name.equals(".") && !name.equals("..")) {
        entries.put(name, isDirectory);
      }
    }
    return entries;
  }

  /** Opens a file at first; an answer may have less than the bytes up to last, where the file ends. */
  Body open(String path, long first, long last) throws IOException {
    HttpGet request = new HttpGet(uri(path, false));
    request.setHeader(HttpHeaders.RANGE, "bytes=" + first + "-" + last);
    CloseableHttpResponse response = send(request, HttpClientContext.create(), path);
    try {
      InputStream stream = response.getEntity().getContent();
      if (response.getStatusLine().getStatusCode() != HttpStatus.SC_PARTIAL_CONTENT) {
        stream.skipNBytes(first); // A server that knows no ranges sends all.
        long length = response.getEntity().getContentLength();
        return new Body(stream, length < 0 ? Long.MAX_VALUE : length, response);
      }
      Header range = response.getFirstHeader(HttpHeaders.CONTENT_RANGE);
      String expected = "bytes " + first + "-";
      if (range == null || !range.getValue().startsWith(expected)) {
        throw new IOException("GET " + shown(path) + ": asked for " + expected + last + ", the answer has " + range);
      }
      String size = range.getValue().substring(range.getValue().indexOf('/') + 1);
      return new Body(stream, size.equals("*") ? Long.MAX_VALUE : Long.parseLong(size), response);
    } catch (IOException | RuntimeException e) {
      response.close();
      throw e;
    }
  }

  private CloseableHttpResponse send(HttpRequestBase request, HttpClientContext context, String path) throws IOException {
    String server = request.getURI().getRawAuthority();
    Down last = down.get(server);
    if (last != null && System.currentTimeMillis() < last.until) {
      throw new IOException(request.getMethod() + " " + shown(path) + ": " + last.why);
    }
    request.setConfig(limits);
    CloseableHttpResponse response;
    try {
      response = CLIENT.execute(request, context);
    } catch (IOException e) {
      down.put(server, new Down(why(request, e), System.currentTimeMillis() + DOWN_MILLIS));
      throw failed(request, path, e);
    }
    int status = response.getStatusLine().getStatusCode();
    if (status == HttpStatus.SC_OK || status == HttpStatus.SC_PARTIAL_CONTENT) {
      return response;
    }
    response.close();
    String answer = String.format("%s %s: the server answers %d %s", request.getMethod(), shown(path), status,
        response.getStatusLine().getReasonPhrase());
    if (status == HttpStatus.SC_NOT_FOUND || status == HttpStatus.SC_GONE) {
      throw new FileNotFoundException(answer);
    }
    throw new IOException(answer);
  }

  private IOException failed(HttpRequestBase request, String path, IOException e) {
    return new IOException(request.getMethod() + " " + shown(path) + ": " + why(request, e), e);
  }

  private String why(HttpRequestBase request, IOException e) {
    if (e instanceof UnknownHostException) {
      return "no such host: " + request.getURI().getHost();
    } else if (e instanceof ConnectTimeoutException) {
      return "no connection within " + timeoutMillis / 1000 + " s";
    } else if (e instanceof SocketTimeoutException) {
      return "no answer within " + timeoutMillis / 1000 + " s";
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private static URI landed(HttpRequestBase request, HttpClientContext context) {
    List<URI> redirects = context.getRedirectLocations();
    return redirects == null || redirects.isEmpty() ? request.getURI() : redirects.get(redirects.size() - 1);
  }

  private static <T> T modified(CloseableHttpResponse response, T otherwise) {
    Header header = response.getFirstHeader(HttpHeaders.LAST_MODIFIED);
    Date date = header == null ? null : DateUtils.parseDate(header.getValue());
    @SuppressWarnings("unchecked")
    T result = date == null ? otherwise : (T) Long.valueOf(date.getTime());
    return result;
  }

  /**
   * Returns the URL of a path, with what is no part of a URL encoded. A %XX stays: it is encoded in the user's mount or, for a
   * percent sign in a name, in {@link #decode}.
   */
  private static URI uri(String path, boolean directory) throws IOException {
    StringBuilder encoded = new StringBuilder();
    for (byte b : path.getBytes(StandardCharsets.UTF_8)) {
      char c = (char) (b & 0xff);
      if (c < 0x80 && (Character.isLetterOrDigit(c) || "%/-._~!$&'()*,;=:@[]".indexOf(c) >= 0)) {
        encoded.append(c);
      } else {
        encoded.append(String.format("%%%02X", (int) c));
      }
    }
    if (directory) {
      encoded.append('/');
    }
    try {
      return new URI(encoded.toString());
    } catch (URISyntaxException e) {
      throw new IOException(shown(path) + " is no URL: " + e.getReason(), e);
    }
  }

  /** Returns what a part of a URL says, but for percent signs, which stay encoded. */
  private static String decode(String raw) {
    return URLDecoder.decode(raw.replace("+", "%2B").replace("%25", "%2525"), StandardCharsets.UTF_8);
  }

  /** Returns a URL without the user and password that it may have. */
  private static String shown(String url) {
    return url.replaceFirst("//[^/@]*@", "//");
  }
}
