"""What notebook 15 (mgmr net) needs beside the library."""
