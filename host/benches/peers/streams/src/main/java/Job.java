import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** The article's filter with Kafka Streams: readings above 30 degrees become alerts. */
public final class Job {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static String alert(String text) {
    try {
      JsonNode json = JSON.readTree(text);
      double temperature = json.get("message").get("temperature").asDouble();
      if (temperature <= 30) {
        return null;
      }
      ObjectNode alert = JSON.createObjectNode();
      alert.set("message_id", json.get("message_id"));
      alert.set("sensor_id", json.get("sensor_id"));
      alert.put("temperature", temperature);
      alert.put("alert", "High temperature detected");
      alert.set("timestamp", json.get("timestamp"));
      return JSON.writeValueAsString(alert);
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("application.id", arguments[1]);
    settings.put("auto.offset.reset", arguments[2]);
    settings.put("state.dir", Files.createTempDirectory("streams").toString());
    var strings = Serdes.String();
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream("sensors", Consumed.with(strings, strings))
        .mapValues(Job::alert)
        .filter((key, alert) -> alert != null)
        .to("alerts", Produced.with(strings, strings));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
