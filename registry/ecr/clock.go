package ecr

import (
	"fmt"
	"regexp"
	"time"
)

const (
	amazonTime = "20060102T150405Z"
	// tolerance is what AWS allows for the time of a signature:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
	tolerance = 15 * time.Minute
)

var amazonTimes = regexp.MustCompile(`\b\d{8}T\d{6}Z\b`)

// clockOf says how far this machine's clock is off. It reads AWS's words about a signature. They have the time of the
// signature, then the first or last time that AWS would take, and often AWS's own time in parentheses.
func clockOf(words string) string {
	var times []time.Time
	for _, text := range amazonTimes.FindAllString(words, -1) {
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
