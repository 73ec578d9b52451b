// The system's zstd library, as Debian's -dev package installs it.
#include <zstd.h>
#include <zstd_errors.h>
