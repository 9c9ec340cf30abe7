/* The SDK, which a project made by `pelton new` carries in its own folder `sdk`. */
#include "../../sdk/c/pelton.c"
