// The system's snappy library, as Debian's -dev package installs it.
#include <snappy-c.h>
