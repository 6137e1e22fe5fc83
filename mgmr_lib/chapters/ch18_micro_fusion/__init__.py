"""What notebook 18 (micro fusion) needs beside the library."""
