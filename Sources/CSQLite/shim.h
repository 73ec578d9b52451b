// The system's sqlite3 library, as Debian's -dev package installs it.
#include <sqlite3.h>
