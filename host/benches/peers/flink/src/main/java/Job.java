import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.Timestamp;
import java.time.OffsetDateTime;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.jdbc.JdbcConnectionOptions;
import org.apache.flink.connector.jdbc.JdbcExecutionOptions;
import org.apache.flink.connector.jdbc.JdbcSink;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The article's job in Java: alerts to a topic and, with a JDBC URL, every reading to a table. */
public final class Job {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** A reading, parsed once. */
  public record Reading(String id, int sensor, String message, double temperature, String time) {
    static Reading parse(String text) throws Exception {
      JsonNode json = JSON.readTree(text);
      JsonNode message = json.get("message");
      return new Reading(
          json.get("message_id").asText(),
          json.get("sensor_id").asInt(),
          JSON.writeValueAsString(message),
          message.get("temperature").asDouble(),
          json.get("timestamp").asText());
    }

    String alert() throws Exception {
      ObjectNode alert = JSON.createObjectNode();
      alert.put("message_id", id);
      alert.put("sensor_id", sensor);
      alert.put("temperature", temperature);
      alert.put("alert", "High temperature detected");
      alert.put("timestamp", time);
      return JSON.writeValueAsString(alert);
    }
  }

  public static void main(String[] arguments) throws Exception {
    String kafka = arguments[0];
    String group = arguments[1];
    String from = arguments[2];
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
    flink.getConfig().enableObjectReuse();
    KafkaSource<String> source =
        KafkaSource.<String>builder()
            .setBootstrapServers(kafka)
            .setTopics("sensors")
            .setGroupId(group)
            .setStartingOffsets(from.equals("latest") ? OffsetsInitializer.latest() : OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .build();
    var readings = flink.fromSource(source, WatermarkStrategy.noWatermarks(), "sensors").map(Reading::parse);
    readings
        .filter(reading -> reading.temperature() > 30)
        .map(Reading::alert)
        .sinkTo(
            KafkaSink.<String>builder()
                .setBootstrapServers(kafka)
                .setRecordSerializer(
                    KafkaRecordSerializationSchema.builder()
                        .setTopic("alerts")
                        .setValueSerializationSchema(new SimpleStringSchema())
                        .build())
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .build());
    if (arguments.length > 3) {
      readings.addSink(
          JdbcSink.sink(
              "INSERT INTO raw_sensors_data (message_id, sensor_id, message, timestamp) VALUES (?, ?, ?, ?)"
                  + " ON CONFLICT DO NOTHING",
              (statement, reading) -> {
                statement.setString(1, reading.id());
                statement.setInt(2, reading.sensor());
                statement.setString(3, reading.message());
                statement.setTimestamp(4, Timestamp.from(OffsetDateTime.parse(reading.time()).toInstant()));
              },
              JdbcExecutionOptions.builder().withBatchSize(5000).withBatchIntervalMs(200).withMaxRetries(5).build(),
              new JdbcConnectionOptions.JdbcConnectionOptionsBuilder()
                  .withUrl(arguments[3])
                  .withDriverName("org.postgresql.Driver")
                  .build()));
    }
    flink.execute("pelton-bench");
  }
}
