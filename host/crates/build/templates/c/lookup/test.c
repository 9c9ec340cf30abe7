/* Run by `sh test.sh`. What is expected is what `pelton test` prints. */
#include "job.c"
#include "sdk/pelton_test.h"

#define READING(sensor) "{\"sensor_id\": " sensor ", \"message\": {\"temperature\": 27.5}}"

int main(void) {
    const char *const settings[] = {"sites={\"34\": \"Cold store\", \"4\": \"Hall 1\"}", NULL};
    pelton_expect(settings, READING("4"),
                  "{\"record\": 0, \"sink\": \"located\", \"key\": null, \"value\": "
                  "\"{\\\"sensor_id\\\": 4, \\\"site\\\": \\\"Hall 1\\\", \\\"temperature\\\": 27.5}\"}\n");
    pelton_expect(settings, READING("5"), "{\"record\": 0, \"reject\": \"sensor 5 has no site\"}\n");
    const char *const refused = "parameter `sites` is no JSON object of sensors and their sites";
    const char *const broken[] = {"sites={", NULL};
    pelton_expect(broken, READING("4"), refused);
    const char *const no_sensor[] = {"sites={\"four\": \"Hall 1\"}", NULL};
    pelton_expect(no_sensor, READING("4"), refused);
    return 0;
}
