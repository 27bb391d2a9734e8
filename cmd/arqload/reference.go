package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"arqload/cmd/internal/reference"
)

// The environment that the reference takes its systems and its account from, so that no
// password stands in a process list.
const (
	envPostgres = "ARQ_POSTGRES_URL"
	envRedis    = "ARQ_REDIS_URL"
	envUsername = "ARQ_USERNAME"
	envPassword = "ARQ_PASSWORD"
	envBaseURL  = "ARQ_BASE_URL"
)

func newReference() *cobra.Command {
	cfg := reference.Config{}
	withParent := false
	c := &cobra.Command{
		Use:   "reference",
		Short: "Run the reference ARQ alone",
		Long: `reference serves ARQ's API over the PostgreSQL and Redis named in the environment, with fault switches,
until it is interrupted. It prints its base URL on stdout. GET /reference/stats is its own count of what it did.

Environment: ` + envPostgres + `, ` + envRedis + `, ` + envUsername + `, ` + envPassword,
		Example: "  ARQ_POSTGRES_URL=... ARQ_REDIS_URL=... ARQ_USERNAME=u ARQ_PASSWORD=p arqload reference --error-share 0.2%",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg.PostgresURL, cfg.RedisURL = os.Getenv(envPostgres), os.Getenv(envRedis)
			cfg.Username, cfg.Password = os.Getenv(envUsername), os.Getenv(envPassword)
			ctx := c.Context()
			if withParent {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
				// The parent holds the other end of stdin: it closes when the parent ends,
				// however it ends.
				go func() {
					_, _ = io.Copy(io.Discard, os.Stdin)
					cancel()
				}()
			}
			return reference.Run(ctx, cfg, func(base string) { fmt.Fprintln(c.OutOrStdout(), base) })
		},
	}
	c.Flags().StringVar(&cfg.Listen, "listen", "127.0.0.1:8080", "address to listen on; port 0 is a free one")
	c.Flags().DurationVar(&cfg.TokenTTL, "token-ttl", time.Hour, "how long a token is good")
	c.Flags().BoolVar(&withParent, "exit-with-stdin", false, "stop when stdin ends")
	_ = c.Flags().MarkHidden("exit-with-stdin")
	cfg.Faults.Flags(c.Flags())
	return c
}
