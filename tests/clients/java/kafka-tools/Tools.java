import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools one after another in one virtual machine, which saves the start of
 * one for each. A line of the standard input is one command: the tool's class, the text it finds on
 * its standard input (line ends written as \n), then its arguments, all separated by tabs. What the
 * tool prints follows, and then a line with its exit code.
 */
public class Tools {
    private static final String END = "--- exit ";

    /** What a tool that wants to end the process throws instead. */
    private static final class Ended extends RuntimeException {
        Ended() {
            super(null, null, false, false);
        }
    }

    // Some tools catch `Ended` as any other error and exit again: the first exit is the one meant.
    private static boolean ended;
    private static int status;
    private static String text;
    private static ByteArrayOutputStream printed;
    /** What a tool left for the end of the process, such as closing its producer. */
    private static final List<Runnable> HOOKS = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Exit.setExitProcedure(Tools::end);
        Exit.setHaltProcedure(Tools::end);
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] fields = line.split("\t", -1);
            ended = false;
            printed = new ByteArrayOutputStream();
            System.setIn(new ByteArrayInputStream(fields[1].replace("\\n", "\n").getBytes(StandardCharsets.UTF_8)));
            PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(capture);
            System.setErr(capture);
            run(fields[0], Arrays.copyOfRange(fields, 2, fields.length));
            HOOKS.forEach(Runnable::run);
            HOOKS.clear();
            out.print(text.isEmpty() || text.endsWith("\n") ? text : text + "\n");
            out.println(END + status);
            out.flush();
        }
    }

    private static void end(int code, String message) {
        if (message != null) {
            System.err.println(message);
        }
        conclude(code);
        throw new Ended();
    }

    private static void conclude(int code) {
        if (!ended) {
            ended = true;
            status = code;
            text = printed.toString(StandardCharsets.UTF_8);
        }
    }

    private static void run(String tool, String[] arguments) throws Exception {
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
            conclude(0);
        } catch (InvocationTargetException error) {
            if (!ended) {
                error.getCause().printStackTrace();
                conclude(1);
            }
        }
    }
}
