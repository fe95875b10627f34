package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/falcosecurity/client-go/pkg/api/outputs"
	"github.com/falcosecurity/client-go/pkg/client"
)

// export imitates falco-exporter's loop. It is not falco-exporter, which is not available as a Go
// module everywhere. It watches with a timeout of one second and counts alerts by the labels of the
// metric `falco_events`. After count alerts it prints each series as one object.
func export(ctx context.Context, c *client.Client, count int) error {
	type series struct {
		Rule      string `json:"rule"`
		Priority  string `json:"priority"`
		Hostname  string `json:"hostname"`
		Source    string `json:"source"`
		Namespace string `json:"k8s_ns_name"`
		Pod       string `json:"k8s_pod_name"`
		Tags      string `json:"tags"`
	}
	var order []series
	counts := map[series]int{}
	seen := 0
	err := c.OutputsWatch(ctx, func(res *outputs.Response) error {
		tags := ""
		if len(res.Tags) > 0 {
			tags = "," + strings.Join(res.Tags, ",") + ","
		}
		s := series{
			Rule:      res.Rule,
			Priority:  strconv.Itoa(int(res.Priority)),
			Hostname:  res.Hostname,
			Source:    res.Source,
			Namespace: res.OutputFields["k8s.ns.name"],
			Pod:       res.OutputFields["k8s.pod.name"],
			Tags:      tags,
		}
		if counts[s] == 0 {
			order = append(order, s)
		}
		counts[s]++
		seen++
		if seen == count {
			return errEnough
		}
		return nil
	}, time.Second)
	if !errors.Is(err, errEnough) {
		return watched(err)
	}
	for _, s := range order {
		say(map[string]any{"series": s, "count": counts[s]})
	}
	return nil
}
