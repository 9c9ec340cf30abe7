package job

// Microseconds is the microseconds since 1970-01-01 00:00:00 UTC of a time as RFC 3339 writes it, such as
// `2024-05-02T10:11:12.123456+00:00`, with or without a fraction: Python leaves it out where it is zero. It is
// false where the text is none, or of a year outside 1 to 9999. Digits beyond the
// microsecond are cut off; second 60 is the first of the next minute.
func Microseconds(text string) (int64, bool) {
	if len(text) < len("2024-05-02T10:11:12Z") || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':' {
		return 0, false
	}
	if separator := text[10]; separator != 'T' && separator != 't' && separator != ' ' {
		return 0, false
	}
	century, year := twoDigits(text, 0), twoDigits(text, 2)
	month, day := twoDigits(text, 5), twoDigits(text, 8)
	hour, minute, second := twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)
	if century|year|month|day|hour|minute|second < 0 {
		return 0, false
	}
	year += century * 100
	fraction, zone := int64(0), text[19:]
	if zone[0] == '.' {
		at, unit := 1, int64(100_000)
		for ; at < len(zone) && zone[at]-'0' <= 9; at++ {
			fraction += int64(zone[at]-'0') * unit
			unit /= 10
		}
		if at == 1 {
			return 0, false
		}
		zone = zone[at:]
	}
	offset, ok := offset(zone)
	if !ok || year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month) || hour > 23 || minute > 59 ||
		second > 60 {
		return 0, false
	}
	minutes := (days(year, month, day)*24+hour)*60 + minute - offset
	return (minutes*60+second)*1_000_000 + fraction, true
}

// twoDigits is the number of the two digits there; negative where they are none.
func twoDigits(text string, at int) int64 {
	tens, ones := text[at]-'0', text[at+1]-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int64(tens)*10 + int64(ones)
}

// offset is the minutes of `Z` or `+hh:mm`.
func offset(zone string) (int64, bool) {
	if zone == "Z" || zone == "z" {
		return 0, true
	}
	if len(zone) != len("+hh:mm") || zone[0] != '+' && zone[0] != '-' || zone[3] != ':' {
		return 0, false
	}
	hours, minutes := twoDigits(zone, 1), twoDigits(zone, 4)
	if hours|minutes < 0 || hours > 23 || minutes > 59 {
		return 0, false
	}
	if zone[0] == '-' {
		return -hours*60 - minutes, true
	}
	return hours*60 + minutes, true
}

func daysInMonth(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// days is the days from 1970-01-01 to a date of the Gregorian calendar, of year 1 or later. Years are counted from
// March, so that the leap day is the last day of one.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	monthsSinceMarch := (month + 9) % 12
	dayOfYear := (153*monthsSinceMarch+2)/5 + day - 1
	leapDays := year/4 - year/100 + year/400
	// 719,468 days lie between 0000-03-01 and 1970-01-01.
	return year*365 + leapDays + dayOfYear - 719_468
}
