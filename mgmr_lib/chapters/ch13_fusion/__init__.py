"""What notebook 13 (fusion) needs beside the library."""
