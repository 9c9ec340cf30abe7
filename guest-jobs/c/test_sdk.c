/* The SDK's own tests: what it does with mistakes of a job, with memory that runs out, and with lists that contradict
 * each other. Run by test.sh. */
#include "../sdk/c/pelton_test.h"

static const pelton_sink TOPIC_SINK = {.topic = "topic"};
static const pelton_sink UNDECLARED = {.topic = "undeclared"};
static const pelton_sink TABLE_SINK = {
    .table = "table",
    .columns = PELTON_COLUMNS({"id", PELTON_INT4}, {"name", PELTON_TEXT, true}, {"uuid", PELTON_UUID, true}),
    .conflict = PELTON_UPDATE,
    .key = PELTON_KEY("id"),
};
static const pelton_sink STATEMENT_SINK = {
    .name = "statement", .statement = "DELETE FROM t WHERE a = ? AND b = ?", .placeholders = PELTON_TYPES(PELTON_DATE, PELTON_BYTEA)};

/* What the next records do; each test sets it. */
static bool (*act)(const pelton_record *record, pelton_out *out);
static bool (*act_configure)(pelton_parameters *parameters);

static bool process(const pelton_record *record, pelton_out *out) {
    return act(record, out);
}

static bool configure(pelton_parameters *parameters) {
    return !act_configure || act_configure(parameters);
}

const pelton_spec pelton_job = {
    .name = "test", .version = "1", .description = "a job of tests",
    .sources = PELTON_SOURCES({"in", .headers = true}),
    .sinks = PELTON_SINKS(&TOPIC_SINK, &TABLE_SINK, &STATEMENT_SINK),
    .parameters = PELTON_PARAMETERS({"number", "a number", "1"}, PELTON_REMEMBERS("the number of records"), {"required", "no default", NULL}),
    .configure = configure,
    .process = process,
};

static void expect(bool holds, const char *what, int line) {
    if (holds) return;
    fprintf(stderr, "test_sdk.c:%d: not so: %s\n", line, what);
    exit(1);
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

/* The job fails on the record with this reason, and an emission before it leaves nothing behind. */
#define EXPECT_FAILURE(action, reason)                                                      \
    do {                                                                                    \
        act = action;                                                                       \
        pelton_expect(NULL, "x", "{\"record\": 0, \"failure\": \"" reason "\"}\n");         \
        act = forward;                                                                      \
        pelton_expect(NULL, "x", "{\"record\": 0, \"sink\": \"topic\", \"forward\": true}\n"); \
    } while (0)

static bool forward(const pelton_record *record, pelton_out *out) {
    (void)record;
    pelton_forward(out, &TOPIC_SINK);
    return true;
}

#define ACTION(name, statement)                                        \
    static bool name(const pelton_record *record, pelton_out *out) {   \
        (void)record;                                                  \
        pelton_forward(out, &TOPIC_SINK);                              \
        statement;                                                     \
        return true;                                                   \
    }
ACTION(to_undeclared, pelton_forward(out, &UNDECLARED))
ACTION(row_to_topic, pelton_row(out, &TOPIC_SINK, pelton_int4(1)))
ACTION(message_to_table, pelton_send(out, &TABLE_SINK, (pelton_message){.key = pelton_str("k")}))
ACTION(forward_to_table, pelton_forward(out, &TABLE_SINK))
ACTION(too_few, pelton_row(out, &TABLE_SINK, pelton_int4(1)))
ACTION(wrong_type, pelton_row(out, &TABLE_SINK, pelton_int8(1), pelton_null(), pelton_null()))
ACTION(bytes_for_text, pelton_row(out, &TABLE_SINK, pelton_int4(1), pelton_binary(pelton_str("a")), pelton_null()))
ACTION(not_utf8, pelton_row(out, &TABLE_SINK, pelton_int4(1), pelton_text(pelton_str("a\xff")), pelton_null()))
ACTION(short_uuid, pelton_row(out, &TABLE_SINK, pelton_int4(1), pelton_null(), pelton_binary(pelton_str("uuid"))))
ACTION(wrong_placeholder, pelton_row(out, &STATEMENT_SINK, pelton_int4(1), pelton_text(pelton_str("a"))))
ACTION(bad_header, pelton_send(out, &TOPIC_SINK, (pelton_message){.headers = &(pelton_header){pelton_str("\xc3"), PELTON_NULL},
                                                                  .header_count = 1}))
ACTION(nothing_said, return false)
ACTION(first_failure, pelton_fail(out, "one"); pelton_fail(out, "two"))
ACTION(too_large, pelton_buffer all = {0}; pelton_reserve(&all, SIZE_MAX - 8); pelton_append(&all, "a", 1); free(all.data))

static void test_mistakes(void) {
    EXPECT_FAILURE(to_undeclared, "sink `undeclared`: not among the sinks of the job's spec (at offset 0)");
    EXPECT_FAILURE(row_to_topic, "sink `topic`: a topic takes no rows (at offset 0)");
    EXPECT_FAILURE(message_to_table, "sink `table`: a table or statement takes rows, not messages (at offset 0)");
    EXPECT_FAILURE(forward_to_table, "sink `table`: a table or statement takes rows, not messages (at offset 0)");
    EXPECT_FAILURE(too_few, "sink `table`: a row has 3 values, not 1 (at offset 0)");
    EXPECT_FAILURE(wrong_type, "sink `table`: column `id` is int4 and takes pelton_int4, not pelton_int8 (at offset 0)");
    EXPECT_FAILURE(bytes_for_text, "sink `table`: column `name` is text and takes pelton_text, not pelton_binary (at offset 0)");
    EXPECT_FAILURE(not_utf8, "sink `table`: column `name` is text and takes pelton_text, not what is not UTF-8 (at offset 0)");
    EXPECT_FAILURE(short_uuid, "sink `table`: column `uuid` is uuid and takes pelton_binary of 16 bytes, not 4 (at offset 0)");
    EXPECT_FAILURE(wrong_placeholder,
                   "sink `statement`: placeholder 2 is bytea and takes pelton_binary, not pelton_text (at offset 0)");
    EXPECT_FAILURE(bad_header, "sink `topic`: the name of a header is not UTF-8 (at offset 0)");
    EXPECT_FAILURE(too_large, "out of memory (at offset 0)");
    act = nothing_said;
    EXPECT(strstr(pelton_test(NULL, &(pelton_test_record){.value = pelton_str("")}, 1), "process returned false without"));
    act = first_failure;
    EXPECT(strstr(pelton_test(NULL, &(pelton_test_record){.value = pelton_str("")}, 1), "offset 0: one\\n    at first_failure (test_sdk.c:"));
}

/* Each record says by its first byte what to emit; messages carry headers from the third on. */
static bool mixed(const pelton_record *record, pelton_out *out) {
    if (!record->value.data) {
        pelton_row(out, &TABLE_SINK, pelton_int4((int32_t)record->offset),
                   pelton_text(record->offset % 11 != 10 ? pelton_str("name") : PELTON_NULL), pelton_null());
    } else if (record->value.size == 0) {
        pelton_forward(out, &TOPIC_SINK);
    } else {
        pelton_header header = pelton_record_header(record, 0);
        pelton_send(out, &TOPIC_SINK, (pelton_message){record->key, record->value, &header, record->header_count});
        EXPECT(!pelton_record_header(record, record->header_count).name.data);
    }
    return true;
}

static void test_packing(void) {
    act = mixed;
    pelton_header header = {pelton_str("h"), PELTON_NULL};
    const pelton_test_record records[] = {
        {.value = pelton_str("a")}, {.value = pelton_str("b"), .key = pelton_str("k")},
        {.value = pelton_str("c"), .headers = &header, .header_count = 1}, {.value = pelton_str("")},
        {.value = pelton_str("d")},
    };
    pelton_expect_records(NULL, records, 5,
                          "{\"record\": 0, \"sink\": \"topic\", \"key\": null, \"value\": \"a\"}\n"
                          "{\"record\": 1, \"sink\": \"topic\", \"key\": \"k\", \"value\": \"b\"}\n"
                          "{\"record\": 2, \"sink\": \"topic\", \"key\": null, \"value\": \"c\", \"headers\": [[\"h\", null]]}\n"
                          "{\"record\": 3, \"sink\": \"topic\", \"forward\": true}\n"
                          "{\"record\": 4, \"sink\": \"topic\", \"key\": null, \"value\": \"d\"}\n");
    pelton_test_record rows[40] = {{.key = pelton_str("k")}};
    EXPECT(pelton_test(NULL, rows, 40));
    const output *written = answer.as.ok.outputs.items;
    EXPECT(answer.as.ok.outputs.count == 1 && written->as.columns.count == 3);
    const column_data *columns = written->as.columns.items;
    EXPECT(columns[0].validity.count == 0 && columns[1].validity.count == 5);
    const uint8_t *bits = columns[1].validity.items;
    for (size_t n = 0; n < 40; n++) EXPECT((bits[n / 8] >> n % 8 & 1) == (n % 11 != 10));
}

ACTION(reject_long, pelton_reject(out, "%5000s", "x"); pelton_reject(out, "second"))
ACTION(reject_bytes, return pelton_reject(out, "%.*s", PELTON_SHOW(record->value)))

static void test_rejects(void) {
    act = reject_long;
    pelton_test(NULL, &(pelton_test_record){.value = pelton_str("")}, 1);
    const reject *rejects = answer.as.ok.rejects.items;
    EXPECT(answer.as.ok.rejects.count == 1 && rejects->reason.count == TEXT_LIMIT - 1);
    EXPECT(answer.as.ok.outputs.count == 1);
    act = reject_bytes;
    pelton_test(NULL, &(pelton_test_record){.value = pelton_str("a\xff\xc3\xa9")}, 1);
    rejects = answer.as.ok.rejects.items;
    EXPECT(rejects->reason.count == 4 && !memcmp(rejects->reason.items, "a?\xc3\xa9", 4));
}

static void test_text(void) {
    static const struct { const char *text; size_t valid; } cases[] = {
        {"", 0}, {"plain", 5}, {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9}, {"a\x80", 1}, {"\xc1\xbf", 0}, {"\xe0\x9f\xbf", 0},
        {"\xe0\xa0\x80", 3}, {"\xed\xa0\x80", 0}, {"\xf0\x8f\xbf\xbf", 0}, {"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0},
        {"\xf4\x8f\xbf\xbf", 4}, {"ab\xe2\x82", 2}, {"0123456789abcdef0123456789abcdef\xff", 32}, {"01234567\xc3(", 8},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) EXPECT(pelton_utf8(pelton_str(cases[n].text)) == cases[n].valid);
    char from[80], to[82];
    for (size_t n = 0; n < sizeof from; n++) from[n] = (char)n;
    for (size_t size = 0; size <= sizeof from; size++) {
        memset(to, -1, sizeof to);
        pelton_copy(to + 1, from, size);
        EXPECT(to[0] == -1 && !memcmp(to + 1, from, size) && to[size + 1] == -1);
    }
}

static void test_contradictions(void) {
    const uint32_t falling[] = {3, 1}, beyond[] = {1, 9}, good[] = {1, 3};
    packed items = {{falling, sizeof falling}, {"abc", 3}};
    EXPECT(!item(&items, 1).data && !item(&items, 2).data);
    items.ends.items = beyond;
    EXPECT(item(&items, 0).size == 1 && !item(&items, 1).data);
    items.ends = (list){good, sizeof good - 1};
    EXPECT(item(&items, 0).size == 1 && !item(&items, 1).data);
    const char odd[] = "\0\1\0\0\0\3\0\0\0";
    items.ends = (list){odd + 1, 2 * sizeof(uint32_t)};
    EXPECT(item(&items, 1).size == 2);
    nullable_packed nullable = {{"\x01", 1}, {{good, sizeof good}, {"abc", 3}}};
    EXPECT(nullable_item(&nullable, 0).size == 1 && !nullable_item(&nullable, 1).data && !nullable_item(&nullable, 9).data);
}

static int64_t integer;
static double number;
static bool get_integer(pelton_parameters *parameters) { return pelton_get_integer(parameters, "number", &integer); }
static bool get_double(pelton_parameters *parameters) { return pelton_get_double(parameters, "number", &number); }
static bool get_undeclared(pelton_parameters *parameters) { return pelton_get_double(parameters, "other", &number); }
static bool get_required(pelton_parameters *parameters) {
    pelton_bytes text;
    return pelton_get_text(parameters, "required", &text) && text.size == 1 && *text.data == 'r';
}
static bool get_remembers(pelton_parameters *parameters) {
    pelton_bytes text;
    return pelton_get_text(parameters, "pelton.remembers", &text);
}
static bool say_nothing(pelton_parameters *parameters) { return (void)parameters, false; }

static bool is_configured_with(bool (*how)(pelton_parameters *), const char *setting) {
    act_configure = how;
    pelton_test((const char *const[]){setting, NULL}, &(pelton_test_record){.value = pelton_str("x")}, 1);
    act_configure = NULL;
    return is_configured;
}

static void test_parameters(void) {
    act = forward;
    EXPECT(is_configured_with(get_integer, "number=-9223372036854775808") && integer == INT64_MIN);
    EXPECT(is_configured_with(get_integer, "number=+7") && integer == 7);
    EXPECT(is_configured_with(get_double, "number=-1.5e3") && number == -1500);
    static const char *const none[] = {"number=", "number=9223372036854775808", "number=1 ", "number=0x10", "number=-", "number=1-2"};
    for (size_t n = 0; n < sizeof none / sizeof *none; n++) EXPECT(!is_configured_with(get_integer, none[n]));
    static const char *const not_numbers[] = {"number=", "number=nan", "number=1e999", "number=1e", "number=0x1p3", "number= 1"};
    for (size_t n = 0; n < sizeof not_numbers / sizeof *not_numbers; n++) EXPECT(!is_configured_with(get_double, not_numbers[n]));
    EXPECT(is_configured_with(get_required, "required=r"));
    EXPECT(!is_configured_with(get_remembers, "pelton.remembers=true"));
    EXPECT(!is_configured_with(say_nothing, "number=1"));
    EXPECT(!strcmp(pelton_test_lines.data, "configure returned false without a reason"));
    EXPECT(!is_configured_with(get_undeclared, "number=1"));
    EXPECT(!strcmp(pelton_test_lines.data, "the job reads parameter `other`, which its spec does not declare"));
    pelton_task_process(&(batch){.partition = 0});
    EXPECT(answer.is_error && !memcmp(answer.as.error.items, "process was called before configure succeeded", 45));
}

static bool is_text(list found, const char *text) {
    return found.count == strlen(text) && !memcmp(found.items, text, found.count);
}

static void test_description(void) {
    const spec *described = pelton_task_describe();
    EXPECT(described->sources.count == 1 && described->sinks.count == 3 && described->parameters.count == 3);
    const sink_spec *sinks = described->sinks.items;
    EXPECT(sinks[0].tag == TOPIC && sinks[1].tag == TABLE && sinks[2].tag == STATEMENT && sinks[0].name.count == 5);
    const column_spec *columns = sinks[1].as.table.columns.items;
    EXPECT(sinks[1].as.table.on_conflict == 2 && sinks[1].as.table.key.count == 1);
    EXPECT(columns[0].type == 2 && !columns[0].nullable && columns[2].type == 13 && columns[2].nullable);
    EXPECT(!memcmp(sinks[2].as.statement.placeholders.items, "\x0c\x09", 2));
    const parameter_spec *parameters = described->parameters.items;
    EXPECT(parameters[0].has_default && !parameters[2].has_default);
    EXPECT(is_text(parameters[1].name, "pelton.remembers") && is_text(parameters[1].description, "the number of records"));
    EXPECT(parameters[1].has_default && is_text(parameters[1].fallback, "true"));
    EXPECT(!is_text(parameters[0].name, "pelton.remembers") && !is_text(parameters[2].name, "pelton.remembers"));
    EXPECT(pelton_task_describe() == described);
}

static bool read_fields(const pelton_record *record, pelton_out *out) {
    static pelton_bytes raw, deep, object;
    static bool yes, is_found;
    static int64_t number, time;
    static const pelton_field FIELDS[] = {
        {"yes", .boolean = &yes}, {"number", .int8 = &number}, {"a.b.c", .text = &deep}, {"a.b", .object = &object},
        {"raw", .raw = &raw}, {"time", .timestamptz = &time, .found = &is_found},
    };
    if (!pelton_fields(record, out, FIELDS)) return false;
    static pelton_buffer text;
    text.size = 0;
    pelton_dumps_int(&text, "number", number);
    pelton_dumps_text(&text, "deep", deep);
    pelton_dumps_json(&text, "object", object);
    pelton_dumps_json(&text, "raw", raw);
    pelton_dumps_int(&text, "time", is_found ? time : -1);
    pelton_dumps_float(&text, "yes\"", yes);
    pelton_send(out, &TOPIC_SINK, (pelton_message){.value = pelton_dumps_end(&text)});
    return true;
}

static void expect_fields(const char *value, const char *expected) {
    pelton_test_record record = {.value = pelton_str(value)};
    const char *const settings[] = {"required=1", NULL};
    act = read_fields;
    const char *lines = pelton_test(settings, &record, 1);
    if (!strstr(lines, expected)) fprintf(stderr, "expected %s in %s\n", expected, lines), exit(1);
}

static void test_json(void) {
    expect_fields("{\"yes\":true,\"number\":-9223372036854775808,\"a\":{\"b\":1},\"a\":{\"b\":{\"c\":\"\\n\"}},"
                  "\"raw\":[1, {}],\"time\":null}",
                  "{\\\"number\\\": -9223372036854775808, \\\"deep\\\": \\\"\\\\n\\\", \\\"object\\\": "
                  "{\\\"c\\\": \\\"\\\\n\\\"}, \\\"raw\\\": [1, {}], \\\"time\\\": -1, \\\"yes\\\\\\\"\\\": 1.0}");
    expect_fields("{\"yes\": 1}", "`yes` is not a boolean: 1");
    expect_fields("{\"yes\": true, \"number\": 9223372036854775808}", "`number` is beyond the range of BIGINT");
    expect_fields("{\"yes\": true, \"number\": 1, \"a\": {\"b\": {}}}", "missing field `c` in `a.b`");
    int64_t time;
    EXPECT(pelton_microseconds(pelton_str("2016-12-31T23:59:60Z"), &time) && time == 1483228800000000);
    EXPECT(pelton_microseconds(pelton_str("0001-01-01 00:00:00.0000019+00:00"), &time) && time == -62135596799999999);
    EXPECT(!pelton_microseconds(pelton_str("1900-02-29T10:11:12Z"), &time) && !pelton_microseconds(PELTON_NULL, &time));
    pelton_buffer text = {0};
    EXPECT(pelton_dumps_end(&text).size == 2 && !memcmp(text.data, "{}", 2));
    /* What repr(float) prints: of two as near the even one, and next to a power of two the one that reads back. */
    static const struct { double number; const char *text; } printed[] = {
        {1125899906842624.25, "1125899906842624.2"}, {1125899906842624.75, "1125899906842624.8"},
        {-0x1p-25, "-2.9802322387695312e-08"}, {0x1p-44, "5.684341886080802e-14"}, {0x1p-1022, "2.2250738585072014e-308"},
        {8.209073602596753e-289, "8.209073602596753e-289"}, {5e-324, "5e-324"}, {9999999999999998.0, "9999999999999998.0"},
    };
    for (size_t n = 0; n < sizeof printed / sizeof *printed; n++) {
        text.size = 0;
        pelton_dumps_float(&text, "", printed[n].number);
        pelton_append(&text, "", 1);
        EXPECT(!strcmp(text.data + 5, printed[n].text));
    }
    /* The digits of doubles, against those that read back as the same. */
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 100000; round++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        double number = round % 2 ? ((double)(random % 2000000001) - 1e9) / 1000.0 : (double)(random >> 40) / 100.0;
        text.size = 0;
        pelton_dumps_float(&text, "", number);
        pelton_append(&text, "", 1);
        EXPECT(strtod(text.data + 5, NULL) == number && strlen(text.data) < 5 + 14);
    }
    free(text.data);
}

static pelton_buffer members;

static bool add_member(pelton_bytes name, pelton_bytes value) {
    pelton_appendf(&members, "%.*s=%.*s;", PELTON_SHOW(name), PELTON_SHOW(value));
    return name.size > 0;
}

static void expect_members(const char *json, bool is_read, const char *expected) {
    members.size = 0;
    bool found = pelton_members(pelton_str(json), add_member);
    pelton_append(&members, "", 1);
    expect(found == is_read && strcmp(members.data, expected) == 0, json, __LINE__);
}

static void test_members(void) {
    expect_members(" {\"4\": \"Hall 1\",\n\"n\":-1.50, \"o\" : {\"a\": [\"}\"]}} ", true,
                   "4=Hall 1;n=-1.50;o={\"a\": [\"}\"]};");
    expect_members("{\"a\\u00e9\\n\": \"\\ud83d\\ude00\\\"\"}", true, "a\xC3\xA9\n=\xF0\x9F\x98\x80\";");
    expect_members("{}", true, "");
    expect_members("{\"\": 1, \"b\": 2}", false, "=1;");
    expect_members("{\"a\": 1} x", false, "a=1;");
    expect_members("{\"a\": \"\\ud83d\"}", false, "");
    const char *const broken[] = {"", " ", "[]", "7", "{", "{\"a\"", "{\"a\":", "{\"a\": 1", "{\"a\": 1,}", "{\"a\": \"", "{a: 1}"};
    for (size_t n = 0; n < sizeof broken / sizeof *broken; n++) {
        expect(!pelton_members(pelton_str(broken[n]), add_member), broken[n], __LINE__);
    }
}

int main(void) {
    test_json();
    test_members();
    test_mistakes();
    test_packing();
    test_rejects();
    test_text();
    test_contradictions();
    test_parameters();
    test_description();
    return 0;
}
