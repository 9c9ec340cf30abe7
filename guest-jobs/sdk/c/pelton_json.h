/*
 * JSON of a record: its fields, found by one pass over its text, borrowed from it, and checked as the columns of
 * Postgres need them; and objects as Python's `json.dumps` prints them.
 *
 *     static pelton_bytes id;
 *     static double celsius;
 *     static const pelton_field READING[] = {{"id", .text = &id}, {"message.celsius", .float8 = &celsius}};
 *
 *     static bool process(const pelton_record *record, pelton_out *out) {
 *         if (!pelton_fields(record, out, READING)) return false;
 *         if (celsius < 30) return true;
 *         static pelton_buffer alert;
 *         alert.size = 0;
 *         pelton_dumps_text(&alert, "id", id);
 *         pelton_dumps_float(&alert, "celsius", celsius);
 *         pelton_send(out, &ALERTS, (pelton_message){.value = pelton_dumps_end(&alert)});
 *         return true;
 *     }
 *
 * A project without JSON may delete `pelton_json.*`, `pelton_reader.h`, `pelton_dumps.c` and `pelton_time.c`.
 */
#ifndef PELTON_JSON_H
#define PELTON_JSON_H

#include "pelton.h"

/*
 * A field of an object and where its value goes: as many kinds as are set, each of which the value must be. The bytes
 * are the record's, or memory that the next call of pelton_fields uses again.
 */
typedef struct pelton_field {
    const char *path;     /* a name, or several joined by dots that lead into objects; a name has no dot in it */
    pelton_bytes *text;   /* what a string says, without what Postgres refuses: NUL, half of a surrogate pair */
    int32_t *int4;        /* an integer in the range of INT, written without point or exponent */
    int64_t *int8;        /* the same in the range of BIGINT */
    double *float8;       /* a number, as the nearest double; finite */
    bool *boolean;        /* `true` or `false` */
    int64_t *timestamptz; /* see pelton_microseconds */
    pelton_bytes *object; /* an object's text, spaced as json.dumps spaces it; holds no NUL, not even escaped */
    pelton_bytes *raw;    /* any value's text as it is written */
    bool *found;          /* set for a field that may be missing or null: whether it is there; else the rest stays */
} pelton_field;

/*
 * Reads fields of the record's value: pelton_fields(record, out, FIELDS), where FIELDS is an array of at most 64. False
 * after rejecting the record: it is no text, no JSON (with line and column in bytes, from 1), no object, or the
 * first field that is missing or of another kind, with the beginning of what is there. Of a name that comes twice the
 * last one counts.
 */
#define pelton_fields(record, out, fields) \
    pelton_fields_of((record), (out), (fields), sizeof(fields) / sizeof *(fields))
bool pelton_fields_of(const pelton_record *record, pelton_out *out, const pelton_field *fields, size_t count);

/*
 * Goes over the members of a JSON object that a parameter holds, in `configure`: `member` is called with each name and what its
 * value says, if that is a string, else the value's text as it is written. They live as long as the instance. False where the
 * text is no JSON object, with members before the place perhaps taken, or once `member` gives false.
 */
bool pelton_members(pelton_bytes json, bool (*member)(pelton_bytes name, pelton_bytes value));

/*
 * Microseconds since 1970-01-01 00:00:00 UTC of a time as RFC 3339 writes it: `2024-05-02T10:11:12.123456+00:00`; false
 * where the text is none, or of a year outside 1 to 9999. Digits beyond the microsecond are cut off; second 60 is the
 * first of the next minute.
 */
bool pelton_microseconds(pelton_bytes time, int64_t *microseconds);

/*
 * Each adds a member to an object, as json.dumps prints it: texts (UTF-8) and names in ASCII, a blank behind comma and
 * colon, a finite double with a point or an exponent (`31.0`, `1e-05`), JSON as it is given. An empty buffer begins the
 * object; pelton_dumps_end ends it, and gives its text.
 */
void pelton_dumps_text(pelton_buffer *to, const char *name, pelton_bytes text);
void pelton_dumps_int(pelton_buffer *to, const char *name, int64_t number);
void pelton_dumps_float(pelton_buffer *to, const char *name, double number);
void pelton_dumps_json(pelton_buffer *to, const char *name, pelton_bytes json);
pelton_bytes pelton_dumps_end(pelton_buffer *to);

#endif
