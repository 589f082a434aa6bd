import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Collections;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.http.RequestEntity;
import org.springframework.http.client.support.BasicAuthorizationInterceptor;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.util.MultiValueMap;
import org.springframework.web.client.RestTemplate;

/** Does what Spring Security's SpringOpaqueTokenIntrospector does with its RestTemplate. */
class Introspect {
    public static void main(String[] arguments) throws Exception {
        RestTemplate template = new RestTemplate();
        template.getInterceptors().add(new BasicAuthorizationInterceptor(arguments[1], arguments[2]));
        HttpHeaders headers = new HttpHeaders();
        headers.setAccept(Collections.singletonList(MediaType.APPLICATION_JSON));
        // What the converter of forms of Spring 5 adds; neither Debian's nor the newest does.
        headers.setContentType(new MediaType(MediaType.APPLICATION_FORM_URLENCODED, UTF_8));
        MultiValueMap<String, String> body = new LinkedMultiValueMap<>();
        body.add("token", arguments[3]);
        java.net.URI url = new java.net.URI(arguments[0]);
        template.exchange(new RequestEntity<>(body, headers, HttpMethod.POST, url), String.class);
    }
}
