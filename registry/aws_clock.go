package registry

import (
	"fmt"
	"regexp"
	"time"
)

const (
	amazonTime = "20060102T150405Z"
	tolerance  = 15 * time.Minute // of AWS for the time of a signature (https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html)
)

var amazonTimes = regexp.MustCompile(`\b\d{8}T\d{6}Z\b`)

// clockOf says how far this machine's clock is off, by what AWS says of a signature: its time, the first or last that AWS would take, and
// often, in parentheses, AWS's own.
func clockOf(said string) string {
	var times []time.Time
	for _, text := range amazonTimes.FindAllString(said, -1) {
		if t, err := time.Parse(amazonTime, text); err == nil {
			times = append(times, t)
		}
	}
	if len(times) < 2 {
		return "AWS finds wrong"
	}
	ahead, limit := times[0].Sub(times[len(times)-1]), time.Duration(0)
	if len(times) == 2 {
		limit = tolerance
	}
	if ahead < 0 {
		return fmt.Sprintf("is %.0f minutes behind that of AWS", (limit - ahead).Minutes())
	}
	return fmt.Sprintf("is %.0f minutes ahead of that of AWS", (limit + ahead).Minutes())
}
