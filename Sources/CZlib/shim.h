// The system's z library, as Debian's -dev package installs it.
#include <zlib.h>
