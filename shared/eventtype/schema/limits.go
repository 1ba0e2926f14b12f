package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// depthOf returns how deep objects and lists are nested.
func depthOf(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depthOf(member))
		}
	case []any:
		for _, item := range v {
			deepest = max(deepest, depthOf(item))
		}
	default:
		return 0
	}
	return deepest + 1
}

// checkNumbers refuses numbers that are expensive to calculate with.
func checkNumbers(value any) error {
	switch v := value.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		e, err := strconv.Atoi(exponent)
		if len(v) > maxNumber || exponent != "" && (err != nil || e > maxNumber || e < -maxNumber) {
			return fmt.Errorf("has a number with more than %d digits, or an exponent beyond %d", maxNumber, maxNumber)
		}
	case map[string]any:
		for _, member := range v {
			if err := checkNumbers(member); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := checkNumbers(item); err != nil {
				return err
			}
		}
	}
	return nil
}
