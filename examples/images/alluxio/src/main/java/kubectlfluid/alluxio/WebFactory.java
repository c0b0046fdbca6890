package kubectlfluid.alluxio;

import alluxio.AlluxioURI;
import alluxio.underfs.UnderFileSystem;
import alluxio.underfs.UnderFileSystemConfiguration;
import alluxio.underfs.web.WebUnderFileSystemFactory;

/**
 * Makes the file systems of http(s) mounts. Alluxio finds it by META-INF/services, and of two factories for one scheme takes
 * the last on the class path: this project's jar comes last there.
 */
public class WebFactory extends WebUnderFileSystemFactory {
  @Override
  public UnderFileSystem create(String path, UnderFileSystemConfiguration conf) {
    return new WebFileSystem(new AlluxioURI(path), conf);
  }
}
