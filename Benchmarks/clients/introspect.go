// Asks as APIs in Go do: net/http, with the client's id and secret as x/oauth2 puts them into the header.
package main

import (
	"net/http"
	"net/url"
	"os"
	"strings"
)

func main() {
	form := url.Values{"token": {os.Args[4]}}.Encode()
	request, err := http.NewRequest("POST", os.Args[1], strings.NewReader(form))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(os.Args[2]), url.QueryEscape(os.Args[3]))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
}
