/* The SDK, which a project made by `pelton new` carries in its own folder `sdk`. */
#include "../../sdk/c/pelton.c"
#include "../../sdk/c/pelton_dumps.c"
#include "../../sdk/c/pelton_json.c"
#include "../../sdk/c/pelton_time.c"
