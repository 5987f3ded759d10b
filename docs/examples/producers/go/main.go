// Reports usage with a Kafka client in Go and nothing else: "go run . HOST:PORT CUSTOMER COUNT" sends COUNT events, "go run . bytes" shows one as it
// is on the wire.
package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "usage-events"

// Avro's single-object encoding: its marker and the fingerprint (CRC-64-AVRO, little endian) of schemas/avro/usage_event.avsc.
const header = "c301bf42c85f08a41374"

// Event is one use of a product; numbers among the properties are decimal text.
type Event struct {
	TransactionID, Customer, EventType string
	Timestamp                          time.Time
	Properties                         map[string]string
}

// Encode gives the record's fields in the order of the schema.
func (event Event) Encode() []byte {
	out, err := hex.DecodeString(header)
	if err != nil {
		panic(err)
	}
	out = text(out, event.TransactionID)
	out = text(out, event.Customer)
	out = text(out, event.EventType)
	out = binary.AppendVarint(out, event.Timestamp.UnixMilli()) // Go's varint is Avro's long
	if len(event.Properties) > 0 {
		out = binary.AppendVarint(out, int64(len(event.Properties)))
		for _, name := range slices.Sorted(maps.Keys(event.Properties)) {
			out = text(text(out, name), event.Properties[name])
		}
	}
	return binary.AppendVarint(out, 0) // the end of the map
}

func text(out []byte, value string) []byte {
	return append(binary.AppendVarint(out, int64(len(value))), value...)
}

func main() {
	if os.Args[1] == "bytes" {
		event := Event{"t-1", "acme", "api_call", time.UnixMilli(1_760_097_600_000), map[string]string{"calls": "5", "region": "eu"}}
		fmt.Println(hex.EncodeToString(event.Encode()))
		return
	}
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	// franz-go's defaults are what is wanted: idempotent, acknowledged by all replicas, partitioned by murmur2 of the key as Kafka's own client does.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.RecordDeliveryTimeout(2*time.Minute),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	failed := make([]error, count)
	for number := range count {
		// The id is of what was used, and not of the attempt: whoever is not sure whether an event arrived sends it again.
		event := Event{fmt.Sprintf("go-%d", number+1), os.Args[2], "api_call", time.Now(), map[string]string{"calls": "5", "region": "eu"}}
		record := &kgo.Record{Topic: topic, Key: []byte(event.TransactionID), Value: event.Encode()}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) { failed[number] = err })
	}
	if err := client.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	for _, err := range failed {
		if err != nil {
			log.Fatalf("some events were not delivered: send them again under the same ids, none will count twice: %v", err)
		}
	}
}
