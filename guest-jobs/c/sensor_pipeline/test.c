/* Run by ../test.sh. */
#include "job.c"
#include "../../sdk/c/pelton_test.h"
#include "../sensors_test.h"

int main(void) {
    test_rejects();
    test_mutations();
    pelton_expect(NULL,
                  "{\"message_id\":\"cold\",\"sensor_id\":1,\"message\":{\"temperature\":15},\"timestamp\":\"2024-05-02T12:11:12+02:00\"}",
                  "{\"record\": 0, \"sink\": \"raw_sensors_data\", \"row\": {\"message_id\": \"cold\", \"sensor_id\": 1, "
                  "\"message\": \"{\\\"temperature\\\": 15}\", \"timestamp\": 1714644672000000}}\n");
    pelton_expect(NULL, GOOD,
                  "{\"record\": 0, \"sink\": \"raw_sensors_data\", \"row\": {\"message_id\": \"0a1b\", \"sensor_id\": 7, "
                  "\"message\": \"{\\\"temperature\\\": 30.5, \\\"pressure\\\": 1000.12}\", \"timestamp\": 1714644672123456}}\n"
                  "{\"record\": 0, \"sink\": \"alerts\", \"key\": null, \"value\": \"{\\\"message_id\\\": \\\"0a1b\\\", "
                  "\\\"sensor_id\\\": 7, \\\"temperature\\\": 30.5, \\\"alert\\\": \\\"High temperature detected\\\", "
                  "\\\"timestamp\\\": \\\"2024-05-02T10:11:12.123456+00:00\\\"}\"}\n");
    return 0;
}
