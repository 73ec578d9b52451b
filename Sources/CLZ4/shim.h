// The system's lz4 library, as Debian's -dev package installs it.
#include <lz4.h>
#include <lz4frame.h>
