/* Run by ../test.sh. */
#include "job.c"
#include "../../sdk/c/pelton_test.h"
#include "../sensors_test.h"

int main(void) {
    test_alerts();
    test_rejects();
    test_mutations();
    const char *const settings[] = {"threshold=24.5", NULL}, *const hot[] = {"threshold=hot", NULL};
    pelton_test_record record = {.key = pelton_str("k"), .value = pelton_str(with("30.5", "25.0"))};
    pelton_expect_records(NULL, &record, 1, "");
    pelton_expect_records(settings, &record, 1,
                          "{\"record\": 0, \"sink\": \"alerts\", \"key\": \"k\", \"value\": \"{\\\"message_id\\\": \\\"0a1b\\\", "
                          "\\\"sensor_id\\\": 7, \\\"temperature\\\": 25.0, \\\"alert\\\": \\\"High temperature detected\\\", "
                          "\\\"timestamp\\\": \\\"2024-05-02T10:11:12.123456+00:00\\\"}\"}\n");
    pelton_expect_records(hot, &record, 1, "parameter `threshold`: cannot read `hot` as a number");
    return 0;
}
