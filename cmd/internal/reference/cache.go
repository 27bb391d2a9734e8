package reference

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const recordTTL = 10 * time.Minute // of a user or a dialogue in the cache

func userKey(username string) string { return "user:" + username }
func dialogueKey(dialogue id) string { return "dialogue:" + dialogue.String() }

// A cache reads and writes Redis and counts its hits and misses as Redis does: one for each key of a read.
type cache struct {
	client *redis.Client
	record *recorder
}

func openCache(ctx context.Context, url string, r *recorder) (*cache, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	opts.ContextTimeoutEnabled = true
	opts.DialerRetries = 1 // a lost Redis is to be seen at once
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := &cache{client: redis.NewClient(opts), record: r}
	if err := c.ping(ctx); err != nil {
		return nil, errors.Join(err, c.client.Close())
	}
	return c, nil
}

func (c *cache) close() { c.client.Close() }

func (c *cache) ping(ctx context.Context) error { return c.client.Ping(ctx).Err() }

func (c *cache) get(ctx context.Context, key string) (value string, found bool, err error) {
	value, err = c.client.Get(ctx, key).Result()
	switch {
	case errors.Is(err, redis.Nil):
		c.record.read(false)
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	c.record.read(true)
	return value, true, nil
}

// getBoth reads two keys in one round trip; a missing one is "".
func (c *cache) getBoth(ctx context.Context, key1, key2 string) (value1, value2 string, err error) {
	values, err := c.client.MGet(ctx, key1, key2).Result()
	if err != nil {
		return "", "", err
	}
	value1, found1 := values[0].(string)
	value2, found2 := values[1].(string)
	c.record.read(found1)
	c.record.read(found2)
	return value1, value2, nil
}

func (c *cache) set(ctx context.Context, key, value string, ttl time.Duration) error {
	return c.client.Set(ctx, key, value, ttl).Err()
}

func (c *cache) forget(ctx context.Context, key string) error { return c.client.Del(ctx, key).Err() }
